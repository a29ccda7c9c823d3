"""However the lines of a log reach us, the same is read of them, and the history holds it once."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.monitor.cycles import parse_log, reduced_line
from verifier.monitor.history.absorb import absorb
from verifier.monitor.history.memory import open_history
from verifier.monitor.telemetry import CycleRun, LogLine

AT = datetime(2026, 3, 1, 4, tzinfo=UTC)
Counts = Counter[tuple[Any, ...]]
HOSTS = ("web1", "db1", "web1.example.org")

FOREIGN = (
    LogLine(AT + timedelta(minutes=3), "jak", "nginx", "GET / status=200 duration_s=3"),
    LogLine(AT + timedelta(minutes=4), "jak", "systemd", "Finished apt-daily.service - Daily apt."),
    LogLine(AT + timedelta(minutes=5), "eve", "cron", "Started run backups"),
)


@st.composite
def backups(draw: st.DrawFn, host: str, number: int) -> list[str]:
    """Draw what is said of one backup, and of a run of nothing but a word of its ending."""
    status = draw(st.sampled_from((0, 0, 0, 1, 3, 12, 255)))
    said = [f"restic host={host} version=0.1{draw(st.integers(1, 9))}.0"] * draw(st.integers(0, 1))
    if status in (0, 3):
        errors = range(draw(st.integers(0, 2)))
        said += [json.dumps({"message_type": "error", "item": f"/{n}"}) for n in errors]
        summary = {
            "message_type": "summary",
            "files_new": draw(st.integers(0, 9)),
            "files_changed": 1,
            "files_unmodified": 2,
            "total_bytes_processed": draw(st.integers(0, 1 << 40)),
            "data_added": 3,
            "total_duration": 1.5,
            "snapshot_id": f"{number:064x}",
        }
        said.append(json.dumps(summary))
    elif status == 12:
        said.append(json.dumps({"message_type": "exit_error", "code": 12, "message": "Fatal: no"}))
    took_s = draw(st.integers(0, 30))
    return [*said, f"backup host={host} status={status} duration_s={took_s}"]


FORMS = ("run backups", "run-backups.service", "run-backups.service - run backups")
"""How systemd names the unit."""


@st.composite
def cycles(draw: st.DrawFn, number: int, *, known: bool) -> list[LogLine]:
    """Draw the lines of one cycle, a second or more apart; it may have been killed half-way.

    Args:
        known: journald says by what invocation they were printed.
    """
    coordinator = draw(st.sampled_from(("jak", "jill")))
    run = f"{number:032x}" if known else ""
    texts: list[tuple[str, str]] = []
    if draw(st.booleans()):
        texts.append(("systemd", f"Starting {draw(st.sampled_from(FORMS))}..."))
    texts.append(("run-backups", "Started run backups."))
    for host in draw(st.lists(st.sampled_from(HOSTS), unique=True)):
        said = draw(backups(host, number * 10 + HOSTS.index(host)))
        texts += [("run-backups", text) for text in said]
    status = draw(st.integers(0, 1))
    texts += [("run-backups", f"forget status={status} duration_s=1")]
    texts += [("run-backups", f"run status={status} duration_s=90")]
    texts += [("run-backups", ("Finished", "Failed")[status] + " run backups.")]
    ended = ("Finished", "Failed to start")[status]
    texts += [("systemd", f"{ended} {draw(st.sampled_from(FORMS))}.")]
    texts = texts[: draw(st.integers(1, len(texts)) | st.just(len(texts)))]
    # Cycles of one machine overlap only where it is known whose lines are whose.
    at = AT + timedelta(hours=number if not known else draw(st.integers(0, 2)), microseconds=7)
    found = []
    for service, text in texts:
        at += timedelta(seconds=draw(st.integers(1, 40)))
        found.append(LogLine(at, coordinator, service, text, run))
    return found


@st.composite
def logs(draw: st.DrawFn, *, known: bool | None = None) -> tuple[LogLine, ...]:
    """Draw a log of some cycles, in the order of its instants."""
    known = draw(st.booleans()) if known is None else known
    count = draw(st.integers(0, 4))
    lines = [line for n in range(count) for line in draw(cycles(n + 1, known=known))]
    lines += draw(st.lists(st.sampled_from(FOREIGN), unique=True))
    # No two lines of one instant: which of them came first would be lost.
    ordered = sorted(lines, key=lambda line: line.at)
    return tuple(
        replace(line, at=line.at + timedelta(microseconds=n)) for n, line in enumerate(ordered)
    )


@st.composite
def pieces(draw: st.DrawFn) -> tuple[tuple[LogLine, ...], list[list[LogLine]]]:
    """Draw a log, and the same in pieces: in any order, some lines twice."""
    log = draw(logs())
    again = draw(st.lists(st.sampled_from(log), max_size=8)) if log else []
    lines = draw(st.permutations([*log, *again]))
    cuts = draw(st.lists(st.integers(0, len(lines)), max_size=5).map(sorted))
    return log, [lines[a:b] for a, b in pairwise([0, *cuts, len(lines)])]


def absorbed(chunks: Sequence[Sequence[LogLine]]) -> tuple[list[CycleRun], Counts]:
    """Return what a history holds after all pieces, and how often each thing was new."""
    with tempfile.TemporaryDirectory() as folder, open_history(Path(folder) / "h") as history:
        history.store.connection.execute("PRAGMA synchronous = OFF")
        new: Counts = Counter()
        for chunk in chunks:
            found = absorb(history, chunk)
            new.update(("line", *astuple(line)[:4]) for line in found.lines)
            new.update(("backup", b.host, b.began_at) for b in found.backups)
        for past in history.cycles():
            lines = history.cycle_lines(past.number)
            new.update(("kept", line.at, line.host, line.service, line.data) for line in lines)
        return [past.cycle for past in history.cycles()], new


def once(log: Sequence[LogLine]) -> Counts:
    """Return each line and each backup of a log once."""
    found: Counts = Counter()
    for heard in parse_log(log):
        for line in map(reduced_line, heard.lines):
            found["line", line.at, line.host, line.service, line.data] += 1
            found["kept", line.at, line.host, line.service, line.data] += 1
        found.update(("backup", b.host, b.began_at) for b in heard.cycle.backups)
    return found


@given(pieces())
def test_order_and_repetition_do_not_matter(
    drawn: tuple[tuple[LogLine, ...], list[list[LogLine]]],
) -> None:
    log, chunks = drawn

    assert parse_log(log) == parse_log(line for chunk in chunks for line in chunk)


@settings(max_examples=60)
@given(pieces())
def test_pieces_leave_what_the_whole_would(
    drawn: tuple[tuple[LogLine, ...], list[list[LogLine]]],
) -> None:
    log, chunks = drawn
    cycles, new = absorbed(chunks)

    assert sorted((one.cycle for one in parse_log(log)), key=_key) == sorted(cycles, key=_key)
    assert once(log) == new


@settings(max_examples=30)
@given(logs(known=False), st.booleans())
def test_a_source_without_fractions_adds_nothing(log: tuple[LogLine, ...], known: bool) -> None:
    """The same runs come by journald first, and then from a table of whole seconds."""
    fine = [replace(line, run=f"{line.at:%H}-{line.host}" if known else "") for line in log]
    coarse = [replace(line, at=line.at.replace(microsecond=0)) for line in log]
    whole, told = absorbed([fine])
    both, told_twice = absorbed([fine, coarse])

    assert whole == both
    assert _by_second(told) == _by_second(told_twice)


def _by_second(told: Counts) -> Counts:
    found: Counts = Counter()
    for (what, *parts), number in told.items():
        coarse = (p.replace(microsecond=0) if isinstance(p, datetime) else p for p in parts)
        found[what, *coarse] += number
    return found


def _key(cycle: CycleRun) -> tuple[datetime, str, str]:
    return cycle.began_at, cycle.coordinator, cycle.run
