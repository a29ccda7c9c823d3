"""How old a host's newest snapshot is, against the ages at which somebody is to be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
    """

    host: str
    expected: bool
    newest: Snapshot | None
    age: timedelta | None


def host_ages(
    snapshots: Iterable[Snapshot], *, now: datetime, hosts: Iterable[str]
) -> tuple[Age, ...]:
    """Return the age of every host, the expected ones first.

    Args:
        snapshots: without those whose dates are not believed.
        hosts: that are to be backed up.
    """
    newest: dict[str, Snapshot] = {}
    for snapshot in snapshots:
        held = newest.get(snapshot.host)
        if snapshot.taken_at <= now and (held is None or held.taken_at < snapshot.taken_at):
            newest[snapshot.host] = snapshot
    expected = tuple(dict.fromkeys(hosts))
    others = sorted(newest.keys() - set(expected))
    return tuple(_age(host, host in expected, newest, now) for host in (*expected, *others))


def _age(host: str, expected: bool, newest: Mapping[str, Snapshot], now: datetime) -> Age:
    snapshot = newest.get(host)
    return Age(host, expected, snapshot, now - snapshot.taken_at if snapshot else None)


def check_ages(
    ages: Iterable[Age], *, warn_age: timedelta, alarm_age: timedelta
) -> Iterator[Finding]:
    """Yield a finding for each host that is late, has stopped, has nothing, or is not expected."""
    for age in ages:
        if age.newest is None or age.age is None:
            detail = "is to be backed up, and the repository holds no snapshot of it"
            yield Finding("empty", age.host, detail)
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
