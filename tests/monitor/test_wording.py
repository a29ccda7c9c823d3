"""Counts, sizes, spans and names as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.monitor.render.envelope import GuessRecord
from verifier.monitor.render.guesses import guesses_headline
from verifier.monitor.render.wording import (
    count,
    group_name,
    measured,
    moment,
    number,
    printable,
    size,
    span,
)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (59.6, "60 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86_400, "1 day"),
        (90_000, "1 day 1 h"),
        (8 * 86_400, "8 days"),
        (34 * 86_400, "34 days"),
        (400 * 86_400, "400 days"),
        (3652.425 * 86_400, "10.0 years"),
    ],
)
def test_span_is_written_at_its_own_size(seconds: float, written: str) -> None:
    assert span(seconds) == written


@pytest.mark.parametrize(
    ("size_bytes", "written"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (512 * 1024**2, "512 MiB"),
        (5000 * 1024**5, "5,000 PiB"),
    ],
)
def test_size_is_written_in_binary_units(size_bytes: float, written: str) -> None:
    assert size(size_bytes) == written


def test_counts_agree_with_their_noun() -> None:
    assert [count(n, "snapshot") for n in (0, 1, 1200)] == [
        "0 snapshots",
        "1 snapshot",
        "1,200 snapshots",
    ]


def test_number_has_decimals_only_where_it_needs_them() -> None:
    assert [number(value) for value in (1000.0, 0.25, 7)] == ["1,000", "0.2", "7"]


def test_figures_carry_their_unit_from_their_name() -> None:
    assert measured("cycle_mean_s", 1.25) == ("cycle mean", "1.2 s")
    assert measured("repository_bytes", 2048) == ("repository", "2 KiB")
    assert measured("snapshots_kept", 123) == ("snapshots kept", "123")
    assert measured("snapshots", None) == ("snapshots", "none")


def test_moment_keeps_the_snapshots_own_offset() -> None:
    assert moment("2024-01-01T04:00:00-08:00") == "Mon 2024-01-01 04:00 -08:00"


def test_moment_that_is_none_stays_as_it_is() -> None:
    assert moment("yesterday") == "yesterday"


def test_group_is_named_by_what_it_is_cut_by() -> None:
    assert group_name("web1", ["/etc", "/srv"], ["a", "b"]) == "web1 /etc, /srv [a,b]"
    assert group_name("", []) == "all snapshots"


def test_escape_says_which_byte_it_was() -> None:
    assert printable("a\nb\x1b[1m\u202e\udcff\U000e0001") == "a\\nb\\x1b[1m\\u202e\\xff\\U000e0001"


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


def test_two_nouns_have_two_plurals() -> None:
    words = [count(n, "channel or sink") for n in (0, 1)]

    assert ["0 channels or sinks", "1 channel or sink"] == words


@pytest.mark.parametrize(("sure", "verb"), [(0, "are"), (1, "is"), (2, "are")])
def test_the_guesses_of_init_agree_with_their_verb(sure: int, verb: str) -> None:
    guesses = [GuessRecord(about="x", value="y", sure=n < sure, why="z") for n in range(3)]

    assert guesses_headline(guesses).endswith(f"{sure} of its 3 guesses {verb} sure")
