"""Lives of snapshots: from a timeline's steps to one record a snapshot, group by group.

Days and ages are numbers of days from the first step, because that is what pictures measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from verifier.monitor.render.envelope import GroupRecord, Kept, Taken, Timeline
from verifier.monitor.render.wording import DAY_S, group_name

RULES = ("recent", "daily", "weekly", "monthly", "yearly", "tag", "oldest", "none")
"""What may hold a snapshot, the shortest promise first."""

_RULE_OF_WORD = {
    "last": "recent",
    "hourly": "recent",
    "within": "recent",
    "daily": "daily",
    "weekly": "weekly",
    "monthly": "monthly",
    "yearly": "yearly",
    "has": "tag",
    "oldest": "oldest",
}


def held_by(reasons: Sequence[str]) -> str:
    """Return the rule that holds a snapshot now: of several, the one that lets go first."""
    words = {reason.partition(" ")[0] for reason in reasons}
    rules = {_RULE_OF_WORD.get(word, "none") for word in words}
    return min(rules, key=RULES.index, default="none")


@dataclass(frozen=True, slots=True)
class Life:
    """One snapshot from the step that first saw it to the one that removed it, or to the end."""

    taken: str
    start_day: float
    start_age: float
    end_day: float
    rule: str
    survives: bool

    @property
    def end_age(self) -> float:
        """Its age in days when it went, or at the end."""
        return self.start_age + self.end_day - self.start_day


@dataclass(frozen=True, slots=True)
class Group:
    """One group's whole story.

    Attributes:
        missed: first and last day of every run of steps that made no backup of its host.
        unmade: how many steps those are.
    """

    name: str
    record: GroupRecord
    lives: tuple[Life, ...]
    survivors: tuple[Kept, ...]
    missed: tuple[tuple[float, float], ...]
    unmade: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """Turns the timeline's texts into days after its first step."""

    first: datetime
    last_day: float

    def day(self, time: str) -> float:
        """Return the day of an instant."""
        return (datetime.fromisoformat(time) - self.first).total_seconds() / DAY_S


def calendar_of(timeline: Timeline) -> Calendar:
    """Return the calendar of a timeline, its end at the last step."""
    times = [step["time"] for step in timeline["steps"]] or [timeline["first"]]
    first = datetime.fromisoformat(times[0])
    last = datetime.fromisoformat(times[-1])
    return Calendar(first, max((last - first).total_seconds() / DAY_S, 0.0))


def members(timeline: Timeline) -> tuple[tuple[Kept, ...], ...]:
    """Return the survivors of every group, in the order of the groups."""
    sorted_out: list[list[Kept]] = [[] for _ in timeline["groups"]]
    places = _Places(timeline["groups"])
    for snapshot in timeline["survivors"]:
        place = places.of(snapshot)
        if place is not None:
            sorted_out[place].append(snapshot)
    return tuple(map(tuple, sorted_out))


def follow(timeline: Timeline, limit: int) -> tuple[Group, ...]:
    """Return the stories of the first groups, `limit` at most."""
    calendar = calendar_of(timeline)
    places = _Places(timeline["groups"])
    days = [calendar.day(step["time"]) for step in timeline["steps"]]
    # id -> place of its group, day and age at first sight, time
    living: dict[str, tuple[int, float, float, str]] = {}
    lives: list[list[Life]] = [[] for _ in timeline["groups"][:limit]]

    def end(snapshot: Kept, day: float, *, survives: bool) -> None:
        place, start, age, taken = living.pop(snapshot["id"], (None, 0.0, 0.0, ""))
        if place is None:
            # It was there before the first step: its line begins at the left edge.
            place, taken = places.of(snapshot), snapshot["time"]
            age = max(-calendar.day(taken), 0.0)
        if place is not None and place < limit:
            rule = held_by(snapshot["reasons"])
            lives[place].append(Life(taken, start, age, day, rule, survives))

    for step, day in zip(timeline["steps"], days, strict=True):
        for snapshot in step["created"]:
            place = places.of(snapshot)
            if place is not None:
                age = max(day - calendar.day(snapshot["time"]), 0.0)
                living[snapshot["id"]] = (place, day, age, snapshot["time"])
        for gone in step["removed"]:
            end(gone, day, survives=False)
    for survivor in timeline["survivors"]:
        end(survivor, calendar.last_day, survives=True)
    return tuple(
        _group(timeline, record, lives[place], survivors, days)
        for place, (record, survivors) in enumerate(
            zip(timeline["groups"][:limit], members(timeline), strict=False)
        )
    )


def _group(
    timeline: Timeline,
    record: GroupRecord,
    lives: Sequence[Life],
    survivors: tuple[Kept, ...],
    days: Sequence[float],
) -> Group:
    host = record["host"]
    places = [
        place
        for place, step in enumerate(timeline["steps"])
        if host in step["missed"] or (not host and step["missed"])
    ]
    return Group(
        group_name(host, record["paths"]),
        record,
        tuple(sorted(lives, key=lambda life: (life.start_day, life.taken))),
        survivors,
        _runs(places, days),
        len(places),
    )


def _runs(places: Sequence[int], days: Sequence[float]) -> tuple[tuple[float, float], ...]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return tuple((days[first], days[last]) for first, last in runs)


class _Places:
    """Finds the group of a snapshot, whatever dimensions the groups are cut by."""

    def __init__(self, groups: Sequence[GroupRecord]) -> None:
        self._places = {
            (group["host"], tuple(sorted(group["paths"]))): place
            for place, group in enumerate(groups)
        }
        self._found: dict[tuple[str, tuple[str, ...]], int | None] = {}

    def of(self, snapshot: Taken) -> int | None:
        """Return the place of its group; none where no group could hold it."""
        key = (snapshot["host"], tuple(snapshot["paths"]))
        if key not in self._found:
            paths = tuple(sorted(key[1]))
            # A dimension that groups are not cut by is empty in the group.
            candidates = ((key[0], paths), (key[0], ()), ("", paths), ("", ()))
            places = (self._places.get(candidate) for candidate in candidates)
            self._found[key] = next((place for place in places if place is not None), None)
        return self._found[key]
