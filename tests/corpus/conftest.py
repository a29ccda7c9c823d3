"""The corpus's worlds, made once for each restic release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.corpus.worlds import Worlds


@pytest.fixture(scope="session")
def worlds_of(
    restic_release: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Worlds]:
    """Return a function from a release to the worlds that it writes."""
    known: dict[str, Worlds] = {}

    def worlds(release: str) -> Worlds:
        if release not in known:
            folder = tmp_path_factory.mktemp(f"corpus-{release}")
            known[release] = Worlds(folder, str(restic_release(release)))
        return known[release]

    return worlds
