"""Cycles in a list, and one of them with its log, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.core.finding import Verdict
from verifier.monitor.history.runs import PastCycle
from verifier.monitor.render.wording import count
from verifier.monitor.telemetry import CycleRun, LogLine

LISTED = 60
"""How many cycles a page lists."""

LINES = 400
"""How many lines of a log a page shows."""

LINE_LONGEST = 2_000
"""How many letters of one line are shown: one may hold anything."""


@dataclass(frozen=True, slots=True)
class CycleRow:
    """One cycle of the list."""

    number: int
    cycle: CycleRun
    verdict: Verdict
    word: str
    failed: tuple[str, ...]


def cycle_row(past: PastCycle) -> CycleRow:
    """Return a cycle with its state in a word, and who failed in it."""
    cycle = past.cycle
    failed = tuple(run.host for run in cycle.backups if not run.succeeded)
    stages = tuple(stage.name for stage in cycle.stages if stage.status)
    if cycle.status is None:
        verdict, word = Verdict.UNKNOWN, "end not heard of"
    elif cycle.status or failed or stages:
        verdict, word = Verdict.CRITICAL, "failed"
    else:
        verdict, word = Verdict.OK, "done"
    return CycleRow(past.number, cycle, verdict, word, (*failed, *stages))


def backups_word(cycle: CycleRun) -> str:
    """Return how many backups went well: `3 of 3 backups`."""
    good = sum(run.succeeded for run in cycle.backups)
    return f"{good} of {count(len(cycle.backups), 'backup')}"


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one part of a log, and its number."""

    lines: tuple[LogLine, ...]
    number: int
    parts: int
    total: int


def log_part(lines: Sequence[LogLine], wanted: int) -> Part:
    """Return a part of a log by its number from 1; the last one where there are fewer."""
    parts = max(1, -(-len(lines) // LINES))
    place = min(max(wanted, 1), parts)
    shown = tuple(lines[(place - 1) * LINES : place * LINES])
    return Part(shown, place, parts, len(lines))


def shortened(text: str) -> str:
    """Return a line as a page shows it: its beginning, where it is very long."""
    more = len(text) - LINE_LONGEST
    return text if more <= 0 else f"{text[:LINE_LONGEST]} … {count(more, 'letter')} more"
