"""The corpus's table: nothing in it is named twice, unknown, or expected to be fine."""

from __future__ import annotations

from fixtures.corpus.specimen import RELEASES
from fixtures.corpus.table import PARTS, SPECIMENS
from tests.corpus.find import FINDERS
from verifier.core.finding import KINDS, Verdict

LEAST = 40
"""Specimens that the corpus was asked to have."""

HARMLESS = {"ordinary-drift", "one-file-added-to-600", "copy-keeps-longer", "mirror-keeps-longer"}
"""What other tools take for a fault, and is none."""


def test_corpus_is_no_smaller_than_promised() -> None:
    assert len(SPECIMENS) >= LEAST


def test_no_two_specimens_share_a_name() -> None:
    assert sum(len(part.SPECIMENS) for part in PARTS) == len(SPECIMENS)


def test_every_release_writes_specimens() -> None:
    assert {release for s in SPECIMENS.values() for release in s.releases} == set(RELEASES)


def test_every_finder_is_used_and_known() -> None:
    assert {sought for s in SPECIMENS.values() for sought in s.expect} == set(FINDERS)


def test_only_what_is_harmless_is_expected_to_be_fine() -> None:
    fine = {
        name
        for name, specimen in SPECIMENS.items()
        if all(
            KINDS[kind].severity is Verdict.OK
            for expect in specimen.expect.values()
            for kind, _ in expect
        )
    }

    assert fine == HARMLESS


def test_twins_of_one_making_are_asked_alike() -> None:
    asked: dict[tuple[object, str], object] = {}
    for specimen in SPECIMENS.values():
        for sought in specimen.expect:
            first = asked.setdefault((specimen.make, sought), specimen.settings)

            assert first == specimen.settings, specimen.name
