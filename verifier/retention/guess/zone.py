"""Which time zone somebody lives in, by the UTC offsets and the times of day of snapshots.

Zones that keep the same time over a history cannot be told apart by it: then the best known of them
is named, and how many there are. Pure: the zones are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

SAMPLES = 240
"""Instants that are looked at: a change to summer time lies between some of them."""

MISFITS = 0.02
"""So much of a history may have been made elsewhere, or before a move."""

WINDOW_MIN = 30
"""Runs of one schedule begin within so many minutes of one another."""

WELL_KNOWN = (
    "UTC",
    "America/Los_Angeles",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Anchorage",
    "America/Sao_Paulo",
    "America/Mexico_City",
    "America/Argentina/Buenos_Aires",
    "America/Halifax",
    "Pacific/Honolulu",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Brisbane",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""One name for each kind of time that many people keep, the first before the later ones."""


@dataclass(frozen=True, slots=True)
class ZoneGuess:
    """A zone.

    Attributes:
        same: further zones that keep the same time over the history.
        changed: the history holds a change of its clocks, so that its rule is seen too.
    """

    name: str
    zone: tzinfo
    same: tuple[str, ...] = ()
    changed: bool = False


def sampled(instants: Sequence[datetime]) -> list[datetime]:
    """Return some instants of a history, evenly, its first and last among them."""
    ordered = sorted(instants)
    step = max(1, len(ordered) // SAMPLES)
    return [*ordered[::step], ordered[-1]] if ordered else []


def by_offsets(
    instants: Sequence[datetime], zones: Mapping[str, tzinfo], preferred: Sequence[str] = ()
) -> ZoneGuess | None:
    """Find the zone whose offsets a history carries; none where no zone has them.

    Args:
        instants: with the offsets that were stored.
        preferred: names that are taken before well-known ones, as that of this machine.
    """
    looked = sampled(instants)
    allowed = int(len(looked) * MISFITS)
    fitting = [name for name, zone in zones.items() if _misfits(looked, zone, allowed) <= allowed]
    if not fitting:
        return None
    name = min(fitting, key=lambda n: _rank(n, preferred))
    offsets = {at.utcoffset() for at in looked}
    same = tuple(sorted(set(fitting) - {name}, key=lambda n: _rank(n, preferred)))
    return ZoneGuess(name, zones[name], same, changed=len(offsets) > 1)


def _misfits(instants: Iterable[datetime], zone: tzinfo, allowed: int) -> int:
    found = 0
    for at in instants:
        if at.astimezone(zone).utcoffset() != at.utcoffset():
            found += 1
            if found > allowed:
                break
    return found


def _rank(name: str, preferred: Sequence[str]) -> tuple[int, int, str]:
    if name in preferred:
        return 0, preferred.index(name), name
    if name in WELL_KNOWN:
        return 1, WELL_KNOWN.index(name), name
    # `Region/City` before the odd names of old.
    return (2 if "/" in name and not name.startswith("Etc/") else 3), 0, name


def by_times(
    histories: Sequence[Sequence[datetime]],
    runs_a_day: int,
    zones: Mapping[str, tzinfo],
    order: Sequence[str],
) -> tuple[tuple[str, ...], float]:
    """Find the zones in whose times of day histories are the most regular.

    Args:
        histories: instants of each host.
        order: names in the order in which they are taken where they fit equally well.

    Returns:
        The names, the chosen one first, and the share of the instants at the schedule's times.
    """
    scores = {name: _regular(histories, runs_a_day, zones[name]) for name in order}
    best = max(scores.values(), default=0.0)
    fitting = tuple(name for name in order if scores[name] >= best - MISFITS)
    return fitting, scores[fitting[0]]


def _regular(histories: Sequence[Sequence[datetime]], runs_a_day: int, zone: tzinfo) -> float:
    inside = total = 0
    for history in histories:
        minutes = [minute_of_day(at, zone) for at in sampled(history)]
        inside += sum(number for _, number in _windows(minutes, runs_a_day))
        total += len(minutes)
    return inside / total if total else 0.0


def _windows(minutes: Sequence[float], wanted: int) -> list[tuple[float, int]]:
    # The fullest windows, one after the other; what lies in one is not counted again.
    left = Counter(minutes)
    found: list[tuple[float, int]] = []
    while left and len(found) < wanted:
        starts = [(_inside(left, start), start) for start in left]
        number, start = max(starts, key=lambda pair: (pair[0], -pair[1]))
        found.append((start, number))
        left = Counter({m: n for m, n in left.items() if not _is_inside(m, start)})
    return found


def _inside(minutes: Counter[float], start: float) -> int:
    return sum(number for minute, number in minutes.items() if _is_inside(minute, start))


def _is_inside(minute: float, start: float) -> bool:
    return (minute - start) % 1440 < WINDOW_MIN


def minute_of_day(at: datetime, zone: tzinfo) -> float:
    """Return the minutes since midnight of an instant, as clocks of a zone show it."""
    civil = at.astimezone(zone)
    return civil.hour * 60 + civil.minute + civil.second / 60
