"""The clock page shows what it was told, to whoever looks, and refuses what would mislead."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock.lab import AT
from verifier.clock.marks import mark, marks, unmark
from verifier.clock.page import FIRST, LAST, ClockPage, turn
from verifier.clock.system import SystemClock
from verifier.core.clock import Clock
from verifier.core.errors import ClockNotControlled, UsageError

HOUR = timedelta(hours=1)
STALE = timedelta(minutes=30)
SOON = timedelta(minutes=5)
"""More than any of these tests takes."""


def is_just_after(at: datetime, clock: Clock) -> bool:
    return at <= clock.now() < at + SOON


def test_a_new_page_shows_the_real_time(tmp_path: Path) -> None:
    clock: Clock = ClockPage.create(tmp_path / "page")

    assert is_just_after(SystemClock().now() - timedelta(seconds=1), clock)
    assert timedelta(0) == clock.now().utcoffset()


def test_a_page_that_is_set_runs_on_from_there(page: ClockPage) -> None:
    first, second = page.now(), page.now()

    assert AT <= first < second < AT + SOON


def test_a_page_that_holds_shows_one_instant(page: ClockPage) -> None:
    page.set(AT, timedelta(minutes=10))

    assert {AT} == {page.now() for _ in range(100)}


def test_a_page_is_shifted_against_the_real_time(page: ClockPage) -> None:
    page.shift(-400 * HOUR)

    assert is_just_after(SystemClock().now() - 400 * HOUR - timedelta(seconds=1), page)


@pytest.mark.parametrize("hold", [timedelta(0), timedelta(minutes=10)], ids=["runs", "holds"])
def test_a_page_is_advanced_from_what_it_shows(page: ClockPage, hold: timedelta) -> None:
    page.set(AT, hold)
    page.advance(HOUR)
    page.advance(-2 * HOUR)

    assert is_just_after(AT - HOUR, page)
    assert not hold or page.now() == AT - HOUR


def test_every_opening_of_a_page_is_the_same_clock(page: ClockPage) -> None:
    ClockPage(page.path).set(AT + 7 * HOUR)

    assert is_just_after(AT + 7 * HOUR, page)


@given(
    at=st.datetimes(
        FIRST.replace(tzinfo=None) + HOUR, LAST.replace(tzinfo=None) - HOUR, timezones=st.just(UTC)
    )
)
def test_any_instant_is_shown_to_the_microsecond(
    tmp_path_factory: pytest.TempPathFactory, at: datetime
) -> None:
    held = ClockPage.create(tmp_path_factory.mktemp("page") / "page")
    held.set(at, HOUR)

    assert at == held.now()


@pytest.mark.parametrize("at", [datetime(1900, 1, 1, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)])
def test_an_instant_that_cannot_be_told_is_refused(page: ClockPage, at: datetime) -> None:
    with pytest.raises(UsageError, match="cannot be shown"):
        page.set(at)
    assert is_just_after(AT, page)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_turns_the_clock_on(page: ClockPage, shell: str) -> None:
    page.set(AT, 2 * HOUR)
    words = page.words()
    script = 'printf "$1" 1<>"$2"'
    subprocess.run([shell, "-c", script, "", turn(AT + HOUR), page.path], check=True)

    assert AT + HOUR == page.now()
    assert words[8:] == page.words()[8:]


def test_a_turn_that_is_over_does_not_turn_the_clock_back(page: ClockPage) -> None:
    with page.path.open("r+b") as file:
        file.write(struct.pack("<q", round((AT - HOUR).timestamp() * 1e9)))

    assert is_just_after(AT, page)


# What is no clock page.


@pytest.mark.parametrize("content", [b"", b"x" * 4096, b"rvclock1"], ids=["empty", "other", "part"])
def test_a_file_that_is_no_page_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "page"
    file.write_bytes(content)

    with pytest.raises(UsageError, match="is no clock page"):
        ClockPage(file)
    assert content == file.read_bytes()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to was waited for, and for ever."""
    path = tmp_path if kind == "folder" else tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")

    for open_page in (ClockPage, ClockPage.provide):
        with pytest.raises(UsageError, match="is no clock page"):
            open_page(path)


def test_a_page_is_made_only_where_nothing_is(page: ClockPage, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="File exists"):
        ClockPage.create(page.path)
    with pytest.raises(UsageError, match="No such file"):
        ClockPage.create(tmp_path / "nowhere" / "page")
    with pytest.raises(UsageError, match="No such file"):
        ClockPage(tmp_path / "other")


def test_a_path_that_no_process_could_be_told_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150) / ("y" * 150)
    folder.mkdir(parents=True)

    with pytest.raises(UsageError, match="longer than"):
        ClockPage.create(folder / "page")


# A restic runs.


@pytest.fixture
def running(page: ClockPage) -> Iterator[int]:
    """What a launcher holds while a restic runs that began when the page was as it is now."""
    launcher = os.open(page.path, os.O_RDONLY)
    mark(launcher, page.ahead())
    yield launcher
    os.close(launcher)


def test_no_jump_makes_a_running_restic_s_lock_stale(page: ClockPage, running: int) -> None:
    """The healthy twin: afterwards the jump is allowed."""
    jumps: tuple[tuple[Any, Any], ...] = (
        (page.set, AT + STALE),
        (page.set, AT - STALE),
        (page.advance, STALE),
        (page.shift, timedelta(0)),
    )
    for jump, to in jumps:
        with pytest.raises(ClockNotControlled, match="a restic runs"):
            jump(to)
    page.advance(timedelta(minutes=24))

    assert is_just_after(AT + timedelta(minutes=24), page)
    watching = os.open(page.path, os.O_RDONLY)
    unmark(running, *marks(watching))
    os.close(watching)
    page.set(AT + 24 * HOUR)
    assert is_just_after(AT + 24 * HOUR, page)


@pytest.mark.parametrize("sign", [1, -1], ids=["forward", "back"])
def test_small_moves_add_up_while_a_restic_runs(page: ClockPage, running: int, sign: int) -> None:
    """Three times twenty minutes are an hour; seen red where each was looked at by itself."""
    page.advance(sign * timedelta(minutes=20))
    with pytest.raises(ClockNotControlled, match="a restic runs"):
        page.advance(sign * timedelta(minutes=20))
    page.advance(-sign * timedelta(minutes=20))
    page.advance(sign * timedelta(minutes=20))

    assert is_just_after(AT + sign * timedelta(minutes=20), page)


def test_each_restic_counts_from_its_own_beginning(page: ClockPage, running: int) -> None:
    page.advance(timedelta(minutes=20))
    later = os.open(page.path, os.O_RDONLY)
    mark(later, page.ahead())
    with pytest.raises(ClockNotControlled, match="a restic runs"):
        page.advance(timedelta(minutes=20))
    unmark(running, *marks(later))
    page.advance(timedelta(minutes=20))
    os.close(later)

    page.advance(24 * HOUR)
    assert is_just_after(AT + 24 * HOUR + timedelta(minutes=40), page)


def test_what_is_to_be_slow_may_be_moved_however_far(page: ClockPage, running: int) -> None:
    for _ in range(9):
        page.advance(timedelta(minutes=20), however_far=True)

    assert is_just_after(AT + 3 * HOUR, page)


@given(ahead=st.lists(st.integers(-(10**15), 10**15).map(lambda us: timedelta(microseconds=us))))
def test_marks_are_read_as_they_were_made(
    tmp_path_factory: pytest.TempPathFactory, ahead: list[timedelta]
) -> None:
    page = ClockPage.create(tmp_path_factory.mktemp("page") / "page")
    descriptors = [os.open(page.path, os.O_RDONLY) for _ in (1, 2)]
    for one in ahead:
        mark(descriptors[0], one)
    found = set(marks(descriptors[1]))
    for descriptor in descriptors:
        os.close(descriptor)

    assert found <= set(ahead)
    assert not ahead or {min(ahead), max(ahead)} <= found
