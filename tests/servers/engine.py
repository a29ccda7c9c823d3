"""The container engine of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from verifier.core.errors import CannotVerify
from verifier.fleet.container_engine import open_engine

if TYPE_CHECKING:
    from docker import DockerClient


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The engine; where there is none, every test that needs it is skipped and says so."""
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_engine(os.environ))
        except CannotVerify as error:
            pytest.skip(f"{error}; {error.remedy}")
        yield opened
