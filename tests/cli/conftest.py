"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.evidence.chain import Keys, make_keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A pair of keys for signed reports."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a disk of a size; needs root."""
    place = tmp_path / "disk"

    def mount(size: str) -> Path:
        place.mkdir()
        options = f"size={size},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
        return place

    yield mount
    subprocess.run(["umount", place], check=True)
