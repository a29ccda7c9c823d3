"""How old a host's newest snapshot is, against the ages at which somebody is to be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Age:
    """One host: its newest snapshot that is not dated after now, and what is to be said of it.

    Attributes:
        expected: it is one of the hosts that are to be backed up.
        age: none where it has no snapshot.
        doubted: how many snapshots it has that tell no age, for their dates are not believed.
    """

    host: str
    expected: bool
    newest: Snapshot | None
    age: timedelta | None
    doubted: int = 0


def host_ages(
    snapshots: Iterable[Snapshot],
    *,
    now: datetime,
    hosts: Iterable[str],
    doubted: Iterable[Snapshot] = (),
) -> tuple[Age, ...]:
    """Return the age of every host, the expected ones first.

    Args:
        snapshots: without those whose dates are not believed.
        hosts: that are to be backed up.
        doubted: those whose dates are not believed.
    """
    newest: dict[str, Snapshot] = {}
    idle = Counter(snapshot.host for snapshot in doubted)
    for snapshot in snapshots:
        held = newest.get(snapshot.host)
        if snapshot.taken_at > now:
            idle[snapshot.host] += 1
        elif held is None or held.taken_at < snapshot.taken_at:
            newest[snapshot.host] = snapshot
    expected = tuple(dict.fromkeys(hosts))
    others = sorted(newest.keys() - set(expected))
    found = []
    for host in (*expected, *others):
        last = newest.get(host)
        age = now - last.taken_at if last else None
        found.append(Age(host, host in expected, last, age, idle[host]))
    return tuple(found)


def check_ages(
    ages: Iterable[Age], *, warn_age: timedelta, alarm_age: timedelta
) -> Iterator[Finding]:
    """Yield a finding for each host that is late, has stopped, has nothing, or is not expected."""
    for age in ages:
        if age.newest is None or age.age is None:
            detail = "is to be backed up, and the repository holds no snapshot of it"
            if age.doubted:
                detail += f" whose date is believed, and {age.doubted} whose date is not"
            doubted = {"doubted": age.doubted} if age.doubted else {}
            yield Finding("empty", age.host, detail, doubted)
            continue
        last = age.newest.taken_at.isoformat(sep=" ", timespec="minutes")
        evidence = {"newest": age.newest.id, "age_s": round(age.age.total_seconds())}
        if not age.expected:
            detail = (
                "is in the repository and not in the configuration; its last snapshot is of "
                f"{last}, and what `forget` keeps of it stays for ever"
            )
            yield Finding("frozen-group", age.host, detail, evidence)
        elif age.age > alarm_age:
            detail = f"the newest snapshot is {span(age.age)} old ({last}), over {span(alarm_age)}"
            yield Finding("stopped", age.host, detail, evidence)
        elif age.age > warn_age:
            detail = f"the newest snapshot is {span(age.age)} old ({last}), over {span(warn_age)}"
            yield Finding("late", age.host, detail, evidence)


def span(age: timedelta) -> str:
    """Return a span as a person says it: `26 hours`, `12 days`."""
    hours = age // timedelta(hours=1)
    if hours >= 72:
        return f"{hours // 24} days"
    return f"{hours} hours" if hours >= 2 else f"{age // timedelta(minutes=1)} minutes"
