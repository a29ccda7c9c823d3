"""What the system's tests share: the real restic."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def restic_program() -> str:
    """The restic on PATH."""
    program = shutil.which("restic")
    if program is None:
        pytest.fail("restic is not on PATH: these tests ask the real program, install it first")
    return program
