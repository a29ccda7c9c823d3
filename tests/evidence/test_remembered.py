"""The history vouches for the chain: what it saw signed has to be there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.evidence import year
from tests.evidence.chain import Chain, Keys
from tests.monitor import envelopes
from verifier.monitor.evidence.controls import Period
from verifier.monitor.evidence.remembered import anchors, unsigned
from verifier.monitor.evidence.sign import signed
from verifier.monitor.history.memory import History, open_history


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    """A history of its own."""
    with open_history(tmp_path / "history.sqlite") as opened:
        yield opened


def _record(history: History, keys: Keys, folder: Path, report: Any) -> None:
    history.record_report({**report, "signed": signed(report, keys.private, folder).section()})


@pytest.fixture
def chain(keys: Keys, tmp_path: Path, history: History) -> Chain:
    """Three reports, signed and recorded; one between them is not signed."""
    for day in range(3):
        _record(history, keys, tmp_path / "evidence", year.audited(day))
    history.record_report(year.audited(7))
    history.record_report(envelopes.simulated(days=2))
    return Chain(tmp_path / "evidence", keys)


def test_history_vouches_for_the_chain(chain: Chain, history: History) -> None:
    verified = chain.verify(anchors(history, chain.folder))

    assert () == verified.findings
    assert 3 == verified.anchored


@pytest.mark.parametrize(("kept", "broken"), [(2, 1), (0, 1), (3, 0)])
def test_history_knows_of_an_end_that_is_missing(
    chain: Chain, history: History, kept: int, broken: int
) -> None:
    for file in chain.files[kept:]:
        file.unlink()
    found = chain.broken(anchors(history, chain.folder))

    assert broken == len(found)
    assert all("the history knows of number 3" in finding.detail for finding in found)


def test_history_vouches_for_a_copy_too(chain: Chain, history: History, tmp_path: Path) -> None:
    copy = Chain(tmp_path / "copy", chain.keys)
    shutil.copytree(chain.folder, copy.folder)
    before = copy.verify(anchors(history, copy.folder))
    copy.files[2].unlink()

    assert ((), 3) == (before.findings, before.anchored)
    assert 1 == len(copy.broken(anchors(history, copy.folder)))


def test_chain_of_another_folder_is_another_chain(
    chain: Chain, history: History, tmp_path: Path
) -> None:
    later = Chain(tmp_path / "later", chain.keys)
    _record(history, chain.keys, later.folder, year.audited(9))

    assert () == later.verify(anchors(history, later.folder)).findings
    assert () == chain.verify(anchors(history, chain.folder)).findings
    # Of a folder that the history does not know, the newest chain is meant.
    assert 1 == len(anchors(history, tmp_path / "copy"))


def test_reports_that_are_not_signed_are_counted(chain: Chain, history: History) -> None:
    whole = Period(year.FIRST - timedelta(days=9), year.FIRST + timedelta(days=9))
    early = Period(year.FIRST - timedelta(days=9), year.FIRST + timedelta(days=3))

    assert (1, 0) == (unsigned(history, whole), unsigned(history, early))
