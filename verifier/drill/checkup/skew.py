"""How far a host's clock is off this machine's, and how sure that is.

A host dates its own snapshots, and `forget` counts by these dates. The host reads its clock between
two readings of ours, so that the difference is known to within half of the round trip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from verifier.core.checkup import Seen, broken, fine, flawed, unclear
from verifier.core.clock import Clock
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Host
from verifier.retention.dating import FUTURE

WARN_S = 5.0
"""Clocks that a time service keeps differ by milliseconds."""

SAMPLES = 3
_ANSWER = re.compile(r"(\d{9,11})(?:\.(\d{1,9}))? ([+-]\d{4})")
_DATE = Command(("date", "+%s.%N %z"))


@dataclass(frozen=True, slots=True)
class Skew:
    """A difference of clocks.

    Attributes:
        ahead_s: how far the host's clock is ahead.
        error_s: the difference lies within so much of it, for certain.
        offset: the host's own UTC offset, as `-0800`.
    """

    ahead_s: float
    error_s: float
    offset: str


def measure(host: Host, clock: Clock, limit_s: float) -> Skew:
    """Ask a host for the time, and keep the answer that came back soonest.

    Raises:
        CannotVerify: the host does not answer, or not with a time.
    """
    return min((_sample(host, clock, limit_s) for _ in range(SAMPLES)), key=lambda s: s.error_s)


def _sample(host: Host, clock: Clock, limit_s: float) -> Skew:
    before = clock.now()
    done = host.run(_DATE, timeout_s=limit_s)
    return between(before, done.stdout.decode(errors="replace").strip(), clock.now(), host.name)


def between(before: datetime, answer: str, after: datetime, name: str) -> Skew:
    """Return the difference that an answer shows, which was given between two instants of ours.

    Raises:
        CannotVerify: it is no time.
    """
    # A `date` without fractions of a second leaves what it does not know, or nothing.
    found = _ANSWER.fullmatch(answer.replace(".%N", "").replace(". ", " "))
    if found is None:
        message = f"`date` does not say the time: {answer[:80]!r}"
        raise CannotVerify(name, message, "see what `date '+%s.%N %z'` prints there")
    there_s = int(found[1]) + (float(f"0.{found[2]}") if found[2] else 0.5)
    round_trip_s = (after - before).total_seconds()
    ours_s = before.timestamp() + round_trip_s / 2
    error_s = round_trip_s / 2 + (0.0 if found[2] else 0.5)
    return Skew(there_s - ours_s, error_s, found[3])


def judge_skew(skew: Skew) -> Seen:
    """Judge a difference: its least is what counts against it."""
    away = "ahead of" if skew.ahead_s > 0 else "behind"
    off_s = abs(skew.ahead_s)
    saw = f"{_span(off_s)} ± {_span(skew.error_s)} {away} this machine, UTC{skew.offset}"
    remedy = "run a time service there: systemd-timesyncd or chrony"
    if off_s - skew.error_s > FUTURE.total_seconds():
        return broken(f"{saw}: its snapshots carry wrong dates, and forget goes by these", remedy)
    if off_s - skew.error_s > WARN_S:
        return flawed(saw, remedy)
    if off_s + skew.error_s > WARN_S:
        return unclear(f"{saw}: it answers too slowly to tell", "ask again when it is less busy")
    return fine(saw)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
