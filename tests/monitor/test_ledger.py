"""The ledger's tables, bands and bars show the values that they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitor.pictures import parsed
from verifier.monitor.render.ledger import (
    bands,
    ledger_bars,
    ledger_headline,
    ledger_tables,
    percent,
)


def scope(*ages: tuple[int | None, int, int], unit: str = "packs", **more: Any) -> Any:
    told = [
        {"rounds": rounds, "units": units, "bytes": size, "proven_at": None}
        for rounds, units, size in ages
    ]
    units = sum(age[1] for age in ages)
    never = {"0.95": None, "0.99": None}
    return {
        "repository": "ab" * 32,
        "unit": unit,
        "name": "",
        "run": 1,
        "looked_at": "2025-03-01T04:00:00+00:00",
        "within": 12,
        "units": units,
        "bytes": sum(age[2] for age in ages),
        "proven": units,
        "overdue": 0,
        "doubted": 0,
        "ages": told,
        "confidence": {"least": never, "chances": {"0.01": 0.99951, "0.001": 0.5}},
        **more,
    }


def run(**more: Any) -> Any:
    return {
        "number": 3,
        "repository": "ab" * 32,
        "begun": "2025-03-01T04:00:00+00:00",
        "finished": "2025-03-01T05:00:00+00:00",
        "verdict": "OK",
        "totals": {},
        **more,
    }


def ledger(*scopes: Any, runs: tuple[Any, ...] = ()) -> Any:
    return {"scopes": list(scopes), "runs": list(runs)}


@pytest.mark.parametrize("within", range(1, 40))
def test_each_age_lies_in_one_band(within: int) -> None:
    shown = bands(within)

    for rounds in (*range(60), None):
        assert 1 == sum(band.holds(rounds) for band in shown)
    assert next(band.name for band in shown if band.holds(within - 1)) != "age-overdue"
    assert ["age-overdue"] == [band.name for band in shown if band.holds(within)]


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (99_999, 100_000, "99.9 %"),
        (1, 100_000, "<0.1 %"),
        (1, 3, "33.3 %"),
        (1, 2, "50 %"),
    ],
)
def test_share_never_says_more_than_there_is(part: int, whole: int, written: str) -> None:
    assert written == percent(part, whole)


def test_bar_is_cut_by_bytes() -> None:
    bars = ledger_bars(ledger(scope((0, 1, 10), (3, 7, 60), (None, 2, 30))))
    assert bars is not None
    rects = parsed(bars.picture).findall("rect")

    assert [
        ("age-last", "0%", "10%"),
        ("age-early", "10%", "60%"),
        ("age-never", "70%", "30%"),
    ] == [(rect.get("class"), rect.get("x"), rect.get("width")) for rect in rects]
    assert [rect.get("class") for rect in rects] == [band.name for band in bars.legend]


def test_empty_files_are_drawn_by_their_number() -> None:
    bars = ledger_bars(ledger(scope((0, 3, 0), (None, 1, 0))))
    assert bars is not None

    assert ["75%", "25%"] == [rect.get("width") for rect in parsed(bars.picture).findall("rect")]


def test_nothing_has_no_picture() -> None:
    assert ledger_bars(ledger()) is None
    assert ledger_bars(ledger(scope())) is None


def test_names_are_printable_and_escaped() -> None:
    bars = ledger_bars(ledger(scope((0, 1, 10), unit="files", name="<b>\x1b[2J")))
    assert bars is not None

    text = "".join(parsed(bars.picture).itertext())
    assert "<b>\\x1b[2J files" in text


def test_headline_says_how_the_last_run_ended() -> None:
    proven = scope((0, 2, 10))

    assert "run 3 of 2025-03-01 ended OK" in ledger_headline(ledger(proven, runs=(run(),)))
    killed = run(finished=None, verdict=None)
    assert "is not finished" in ledger_headline(ledger(proven, runs=(killed,)))
    assert "no run is written down" == ledger_headline(ledger())


def test_tables_say_each_share() -> None:
    ages, chances, runs = ledger_tables(
        ledger(scope((0, 1, 10), (12, 1, 20), (None, 2, 30)), runs=(run(),))
    )

    assert ("", "content", "last run", "2 to 6", "7 to 12", "more", "never") == ages.rows[0]
    assert ("packs", "60 B", "16.6 %", "-", "-", "33.3 %", "50 %") == ages.rows[1]
    assert ("packs", "4", "4", ">99.9 %", "50 %", "never", "never") == chances.rows[1]
    assert ("3", "Sat 2025-03-01 04:00 +00:00", "1 h", "OK", "abababab") == runs.rows[1]


def test_several_repositories_are_told_apart() -> None:
    ages, *_ = ledger_tables(ledger(scope((0, 1, 1)), scope((0, 1, 1), repository="cd" * 32)))

    assert ["packs (abababab)", "packs (cdcdcdcd)"] == [row[0] for row in ages.rows[1:]]
