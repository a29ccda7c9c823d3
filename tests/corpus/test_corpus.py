"""The broken-backup corpus, both ways.

Goal: every fault is found under its kind and its subject, and nothing else is; its healthy twin,
made alike and left alone, gives OK. Method: `fixtures/corpus` makes the worlds with each restic
release, and the part of the verifier that must see the fault looks at both. A fault that is not
found, found under another name or subject, or found with company turns a test red; so does a
finding in a healthy twin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from fixtures.corpus.specimen import RELEASES, Make, Specimen
from fixtures.corpus.table import SPECIMENS
from fixtures.corpus.worlds import Worlds
from tests.corpus.find import look
from verifier.core.finding import KINDS, Finding, Verdict

pytestmark = pytest.mark.heavy

ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root gives files away, and has rights to lose"
)

CASES = [
    pytest.param(
        specimen,
        sought,
        release,
        id=f"{specimen.name}-{sought}-{release}",
        marks=[ROOT_ONLY] if specimen.as_root else [],
    )
    for release in RELEASES
    for specimen in SPECIMENS.values()
    for sought in specimen.expect
    if release in specimen.releases
]
TWINS = {
    (specimen.make, sought, release): specimen
    for specimen in sorted(SPECIMENS.values(), key=lambda specimen: specimen.as_root, reverse=True)
    for sought in specimen.expect
    for release in specimen.releases
}
"""Of each making the last specimen: it takes root only where all of them do."""


def above_ok(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Return kind and subject of whatever is not OK."""
    return {(f.kind, f.subject) for f in findings if f.severity is not Verdict.OK}


@pytest.mark.parametrize(("specimen", "sought", "release"), CASES)
def test_fault_is_found_and_nothing_else(
    specimen: Specimen,
    sought: str,
    release: str,
    worlds_of: Callable[[str], Worlds],
    tmp_path: Path,
) -> None:
    world = worlds_of(release).breakable(specimen, tmp_path)
    expected = specimen.expected(sought, world, specimen.fault(world))
    found = look(sought, world, specimen.settings)

    assert {e for e in expected if KINDS[e[0]].severity is not Verdict.OK} == above_ok(found)
    assert expected <= {(f.kind, f.subject) for f in found}


@pytest.mark.parametrize(
    ("make", "sought", "release"),
    [
        pytest.param(
            make,
            sought,
            release,
            id=f"{make.__name__}-{sought}-{release}",
            marks=[ROOT_ONLY] if specimen.as_root else [],
        )
        for (make, sought, release), specimen in TWINS.items()
    ],
)
def test_healthy_twin_is_ok(
    make: Make, sought: str, release: str, worlds_of: Callable[[str], Worlds]
) -> None:
    world = worlds_of(release).healthy(make)
    found = look(sought, world, TWINS[make, sought, release].settings)

    assert set() == above_ok(found)
