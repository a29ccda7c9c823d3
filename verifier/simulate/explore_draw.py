"""Random timelines: the tables of a scenario file, drawn from a seed and a number.

What is drawn is a file that could be written by hand, so a timeline that fails is one to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from verifier.simulate.shrink import without_strays

Table = dict[str, Any]

RELEASES = ("0.14.0", "0.18.0", "0.19.1", "0.11.0", "0.12.1", "0.16.0", "0.17.0")
REAL_RELEASES = frozenset({"0.14.0", "0.18.0", "0.19.1"})
"""Of these there is a binary to ask."""

_GROUP_BY = ("host,paths", "host,paths", "host,paths", "host", "paths", "", "host,tags")
_ZONES = ("America/Los_Angeles", "UTC", "Europe/Berlin", "Australia/Lord_Howe")
_TIMES = (["04:00"], ["04:00"], ["00:01"], ["02:30"], ["23:59"], ["04:00", "16:00"])
_SKIPPED = ["02:30"]
"""Where the clocks change, a day has no such hour."""

_PATHS = (["/etc", "/srv/www"], ["/etc"], ["/var/mail", "/etc"], ["/home"])
_TAGS = (["keep"], ["keep", "release"], ["nightly"])
_STARTS = [
    date(year, month, day) for year in (2019, 2020) for month in (1, 2, 10) for day in (1, 28)
]
_FAR = datetime(2090, 1, 1, 4, 0, 7, tzinfo=UTC)
_COUNTS = {"last": 20, "hourly": 30, "daily": 30, "weekly": 10, "monthly": 12, "yearly": 10}
_SPANS = ("within", "within-daily", "within-weekly", "within-monthly", "within-yearly")


def draw(seed: int, number: int, *, days: int, hosts: int) -> Table:
    """Draw one timeline: the same for the same arguments, whatever else was drawn."""
    # Seeded by a text: nobody draws for secrecy here.
    random = Random(f"{seed}/{number}")  # noqa: S311
    release = random.choice(RELEASES[:3] if random.random() < 0.6 else RELEASES)
    named = [f"host{n}" for n in range(1, hosts + 1)]
    start = random.choice(_STARTS)
    table: Table = {
        "schema": 1,
        "scenario": {
            "about": f"Timeline {number} of seed {seed}.",
            "fidelity": ["model", "decisions"] if release in REAL_RELEASES else ["model"],
            "restic": release,
        },
        "schedule": {"times": random.choice(_TIMES), "timezone": random.choice(_ZONES)},
        "retention": {**_policy(random, release), "group-by": random.choice(_GROUP_BY)},
        "hosts": [{"name": name, "include": random.choice(_PATHS)} for name in named],
        "simulate": {"start": start, "days": days},
        "faults": {},
        "expect": {"verdict": "OK", "survivors": [{"host": named[0], "count": 1}]},
    }
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        random.choice(_FAULTS)(table, random, named)
    # On days without a cycle, or without a backup, some of it never happens.
    idle = {"missed", "down"} & table["simulate"].keys()
    return without_strays(table) if idle or table["schedule"]["times"] == _SKIPPED else table


def _policy(random: Random, release: str) -> Table:
    if random.random() < 0.2:
        return {"keep-daily": 30, "keep-weekly": 5, "keep-monthly": 12, "keep-yearly": 10}
    rules = random.sample(sorted(_COUNTS), random.randint(0, 4))
    policy: Table = {f"keep-{rule}": random.randint(1, _COUNTS[rule]) for rule in sorted(rules)}
    knows_unlimited = release >= "0.16.0"
    if knows_unlimited and random.random() < 0.1:
        policy[f"keep-{random.choice(('weekly', 'monthly', 'yearly'))}"] = "unlimited"
    if random.random() < 0.2:
        spans = _SPANS if release >= "0.12.1" else _SPANS[:1]
        policy[f"keep-{random.choice(spans)}"] = _span(random)
    if random.random() < 0.1:
        policy["keep-tag"] = [",".join(random.choice(_TAGS))]
    # A policy of tags alone keeps nothing at all on most days, and forget refuses: rarely drawn.
    if not policy or (set(policy) == {"keep-tag"} and random.random() < 0.7):
        policy["keep-last"] = random.randint(1, 10)
    return policy


def _span(random: Random) -> str:
    # A year's window is the dearest thing to follow: it is drawn now and then.
    parts = {"y": (1, 0.1), "m": (3, 0.4), "d": (45, 0.4), "h": (50, 0.4)}
    units = [unit for unit, (_, chance) in parts.items() if random.random() < chance] or ["d"]
    return "".join(f"{random.randint(1, parts[unit][0])}{unit}" for unit in units)


def _day(table: Table, random: Random) -> date:
    simulate = table["simulate"]
    day: date = simulate["start"] + timedelta(days=random.randrange(simulate["days"]))
    return day


def _spell(table: Table, random: Random) -> Table:
    first = _day(table, random)
    return {"from": first, "to": first + timedelta(days=random.choice((0, 1, 2, 9, 40)))}


def _put(table: Table, kind: str, fault: Table) -> None:
    table["faults"].setdefault(kind, []).append(fault)


def _miss(table: Table, random: Random, _: Sequence[str]) -> None:
    days = _spell(table, random)
    table["simulate"].setdefault("missed", []).append(f"{days['from']}..{days['to']}")


def _down(table: Table, random: Random, hosts: Sequence[str]) -> None:
    down = {"host": random.choice(hosts), **_spell(table, random)}
    table["simulate"].setdefault("down", []).append(down)


def _change_paths(table: Table, random: Random, hosts: Sequence[str]) -> None:
    change = {
        "host": random.choice(hosts),
        "from": _day(table, random),
        "include": random.choice(_PATHS),
    }
    table["simulate"].setdefault("paths", []).append(change)


def _clock(table: Table, random: Random, hosts: Sequence[str]) -> None:
    # Odd seconds: two snapshots of one instant would make it chance which of them stays.
    by = random.choice(("-3601s", "+7207s", "-90061s", "+3888003s", "-40000013s"))
    _put(table, "clock-wrong", {"host": random.choice(hosts), **_spell(table, random), "by": by})


def _zone(table: Table, random: Random, hosts: Sequence[str]) -> None:
    moved = {
        "host": random.choice(hosts),
        "from": _day(table, random),
        "timezone": random.choice(_ZONES),
    }
    _put(table, "zone-changed", moved)


def _rename(table: Table, random: Random, hosts: Sequence[str]) -> None:
    renamed = {
        "host": random.choice(hosts),
        "from": _day(table, random),
        "name": random.choice((*hosts, "other")),
    }
    _put(table, "host-renamed", renamed)


def _tag(table: Table, random: Random, hosts: Sequence[str]) -> None:
    tagged = {
        "host": random.choice(hosts),
        **_spell(table, random),
        "tags": random.choice(_TAGS),
    }
    _put(table, "tagged", tagged)


def _add(table: Table, random: Random, hosts: Sequence[str]) -> None:
    on = _day(table, random)
    back = datetime(on.year, on.month, on.day, 5, 0, 11, tzinfo=UTC)
    first = random.choice((back - timedelta(days=400), back - timedelta(days=3), _FAR))
    attack = {
        "host": random.choice(hosts),
        "on": on,
        "first": first,
        "count": random.choice((1, 3, 40)),
        "every": random.choice(("1d", "25h", "31d")),
    }
    _put(table, "snapshots-added", attack)


_FAULTS: tuple[Callable[[Table, Random, Sequence[str]], None], ...] = (
    _miss,
    _down,
    _change_paths,
    _clock,
    _zone,
    _rename,
    _tag,
    _add,
)
