"""The figures for auditors against a reckoning of their own: minute by minute, without the program.

The reports and backups are drawn: hosts that come late, go, or were never reached, two runs a day,
failed looks, and a period that begins and ends anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence import year
from tests.monitor import envelopes
from verifier.core.finding import Finding
from verifier.monitor.evidence.controls import Period, controls
from verifier.monitor.evidence.envelope import Seen
from verifier.monitor.evidence.verify import Checked, Verified
from verifier.monitor.render.controls import controls_headline, controls_page
from verifier.monitor.render.envelope_evidence import Controls
from verifier.monitor.render.schema import problems
from verifier.monitor.telemetry import BackupRun

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STEP = timedelta(hours=6)
HOSTS = ("web1", "db1", "old1")


def at(steps: float) -> datetime:
    """Return an instant by its number of steps."""
    return START + steps * STEP


def audit(when: datetime, ages: dict[str, float | None]) -> Any:
    """Return an audit with the age of each host's newest snapshot."""
    section = {**year.audit(1), "hosts": [_audited(host, age) for host, age in ages.items()]}
    return _ended(envelopes.envelope("audit", {"audit": section}), when, ages)


def drill(when: datetime, hosts: Sequence[str], *found: Finding, named: Iterable[str] = ()) -> Any:
    """Return a drill of hosts, of all that were named to it."""
    section: Any = envelopes.drilled()["drill"]
    one = section["hosts"][0]
    looked = [{**one, "host": host} for host in hosts]
    rehearsals = [envelopes.rehearsed(host) for host in hosts]
    section = {**section, "hosts": looked, "rehearsals": rehearsals}
    report = envelopes.envelope("drill", {"drill": section}, findings=found)
    return _ended(report, when, (*hosts, *named))


def _audited(host: str, age: float | None) -> dict[str, Any]:
    newest = None if age is None else "ab" * 32
    return {"host": host, "expected": True, "newest": newest, "age_s": age}


def _ended(report: Any, when: datetime, named: Iterable[str]) -> Any:
    return {**report, "finished": when.isoformat(), "inputs": {"hosts": [*dict.fromkeys(named)]}}


def page(
    reports: Iterable[Any], period: Period, backups: Sequence[BackupRun] | None = None
) -> Controls:
    """Return the section of reports that were signed in this order."""
    checked = tuple(
        Checked(f"{n}", n, Seen("ab" * 32, key="key", sequence=n, report=report), holds=True)
        for n, report in enumerate(reports, start=1)
    )
    verified = Verified(checked, (), len(checked), whole=True, anchored=None)
    return controls(verified, ["key"], period, backups=backups)


def shown(section: Controls) -> str:
    """Return the page of a section."""
    return controls_page(envelopes.envelope("report", {"controls": section}))


def backup(host: str, when: datetime, status: int = 0) -> BackupRun:
    """Return a backup of a host."""
    return BackupRun(host, when, 60.0, status)


NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 28, tzinfo=UTC))


def test_gap_that_began_before_the_period_counts_whole() -> None:
    runs = [backup("web1", START), backup("web1", datetime(2026, 11, 26, tzinfo=UTC))]
    section = page([drill(NOVEMBER.since, ["web1"])], NOVEMBER, runs)

    assert "The longest time of a host without a good backup was 86 days (web1)." in shown(section)
    assert (1, 0) == tuple(section["hosts"][0]["backups"][x] for x in ("good", "failed"))


def test_first_test_does_not_hide_the_time_before_it() -> None:
    first = NOVEMBER.until - timedelta(minutes=3)
    section = page([drill(first, ["web1"])], NOVEMBER)
    without = (NOVEMBER.until - NOVEMBER.since - timedelta(minutes=3)).total_seconds()

    assert without == section["hosts"][0]["longest_without_s"] == section["longest_untested_s"]
    assert "The longest time without a test was 27 days." in shown(section)


def test_host_without_a_good_test_was_without_one_all_the_time() -> None:
    bad = Finding("lost", "web1:/srv/a", "the repository cannot produce it")
    section = page([drill(NOVEMBER.since + DAY, ["web1"], bad)], NOVEMBER)

    assert 27 * DAY.total_seconds() == section["hosts"][0]["longest_without_s"]


def test_host_without_a_snapshot_is_named() -> None:
    text = shown(page([audit(NOVEMBER.since, {"web1": 58.0, "db1": None})], NOVEMBER))

    assert "No newest snapshot that was found was older than 58 s when it was looked at." in text
    assert "There was a look that found no snapshot, or none to be dated, of db1." in text
    assert '<td class="word">none to be dated</td>' in text


def test_snapshot_that_was_missing_once_is_told_beside_its_age() -> None:
    looks = [
        audit(NOVEMBER.since, {"web1": None}),
        audit(NOVEMBER.since + DAY, {"web1": 60.0}),
    ]

    assert "1 min; 1 time none</td>" in shown(page(looks, NOVEMBER))


def test_host_that_is_backed_up_and_never_tested_is_named() -> None:
    runs = [backup("web1", NOVEMBER.since), backup("db1", NOVEMBER.since + DAY)]
    section = page([drill(NOVEMBER.since, ["web1"], named=["old1"])], NOVEMBER, runs)
    text = shown(section)

    assert controls_headline(section).startswith("1 signed test of 1 of 3 hosts from")
    assert "1 test (1 drill) of 1 of 3 hosts." in text
    assert "Nothing was restored of old1, db1." in text
    assert "No backup of old1 is known." in text
    assert '<td class="word">never</td><td class="figure"></td><td class="figure"></td>' in text
    assert "Of db1 it is counted from the first backup known, in this period." in text


def test_copy_is_told_of_hosts_it_was_not_searched_for() -> None:
    report = drill(NOVEMBER.since, ["web1", "db1", "old1"])
    copied: Any = envelopes.copied("web1")
    nothing = {**copied["hosts"][0], "host": "db1", "whole": None, "whole_taken": None}
    copied = {**copied, "hosts": [copied["hosts"][0], nothing]}
    report["drill"]["off_site"] = {**report["drill"]["off_site"], **copied}
    text = shown(page([report], NOVEMBER))

    assert "It never held a complete one of db1." in text
    assert "It was never searched for old1." in text


def test_trouble_from_before_the_period_is_not_forgotten() -> None:
    bad = Finding("lost", "web1:/srv/a", "the repository cannot produce it")
    reports = [
        drill(NOVEMBER.since - 9 * DAY, ["web1"], bad),
        audit(NOVEMBER.since + DAY, {"web1": 1.0}),
    ]
    (open_now,) = page(reports, NOVEMBER)["troubles"]
    reports += [drill(NOVEMBER.since + 2 * DAY, ["web1"])]
    (over,) = page(reports, NOVEMBER)["troubles"]
    later = Period(NOVEMBER.since + 3 * DAY, NOVEMBER.until)

    assert (1, None) == (open_now["first"], open_now["ended"])
    assert 11 * DAY.total_seconds() == over["lasted_s"]
    assert [] == page(reports, later)["troubles"]


def test_trouble_of_a_host_that_was_never_reached_is_not_over_by_another() -> None:
    bad = Finding("could-not-verify", "db1", "the host does not answer")
    reports = [
        drill(NOVEMBER.since, ["web1"], bad, named=["db1"]),
        drill(NOVEMBER.since + DAY, ["web1"]),
    ]

    assert [None] == [trouble["ended"] for trouble in page(reports, NOVEMBER)["troubles"]]


def test_page_names_the_days_of_its_reader() -> None:
    berlin = Period(
        datetime.fromisoformat("2026-11-01T00:00+01:00"),
        datetime.fromisoformat("2026-11-29T00:00+01:00"),
    )

    assert "from 2026-11-01 to 2026-11-28" in controls_headline(page([], berlin))


def test_many_hosts_do_not_fill_the_page() -> None:
    ages = {f"host{number}": None for number in range(10)}

    assert "host7 and 2 more hosts." in shown(page([audit(NOVEMBER.since, ages)], NOVEMBER))


# The law: what the section says is what counting minute by minute gives.

steps = st.integers(0, 60)
outcomes = st.sampled_from(["good", "bad", "unreached", "absent"])
looks = st.lists(
    st.tuples(steps, st.dictionaries(st.sampled_from(HOSTS), outcomes, max_size=3)), max_size=6
)
runs = st.lists(st.tuples(st.sampled_from(HOSTS), steps, st.booleans()), max_size=12, unique=True)


def _drawn(when: int, hosts: dict[str, str]) -> Any:
    if when % 2:
        ages = {h: None if word == "bad" else 60.0 * when for h, word in hosts.items()}
        return audit(at(when), ages)
    reached = [host for host, word in hosts.items() if word in ("good", "bad")]
    found = [
        Finding("lost", f"{host}:/a", "is lost")
        if word == "bad"
        else Finding("could-not-verify", host, "does not answer")
        for host, word in hosts.items()
        if word in ("bad", "unreached")
    ]
    named = [host for host, word in hosts.items() if word != "absent"]
    return drill(at(when), reached, *found, named=named)


def _longest(good: Iterable[int], since: int, until: int) -> float:
    """Walk through the period step by step, and see how old the last good one is."""
    good = set(good)
    past = [step for step in good if step <= since]
    last, worst = max(past, default=since), 0
    for step in range(since + 1, until + 1):
        worst = max(worst, step - last)
        last = step if step in good else last
    return worst * STEP.total_seconds()


@given(drawn=looks, backups=runs, since=st.integers(0, 59), long=st.integers(1, 60))
def test_figures_are_those_of_a_walk_through_the_period(
    drawn: list[tuple[int, dict[str, str]]],
    backups: list[tuple[str, int, bool]],
    since: int,
    long: int,
) -> None:
    drawn = sorted(drawn, key=lambda look: look[0])
    until = min(since + long, 61)
    runs = [backup(h, at(step), int(not good)) for h, step, good in backups]
    section = page([_drawn(*look) for look in drawn], Period(at(since), at(until)), runs)
    within = [(when, hosts) for when, hosts in drawn if since <= when < until]

    assert len(within) == len(section["tests"])
    assert section["longest_untested_s"] == _longest((when for when, _ in drawn), since, until)
    seen = {h for w, hosts in within for h, word in hosts.items() if w % 2 or word != "absent"}
    backed_up = {host for host, step, _ in backups if since <= step < until}
    assert seen | backed_up == {host["host"] for host in section["hosts"]}
    for host in section["hosts"]:
        name = host["host"]
        good = [w for w, hosts in drawn if not w % 2 and hosts.get(name) == "good"]
        assert host["longest_without_s"] == _longest(good, since, until)
        assert host["good"] == sum(since <= when < until for when in good)
        audits = [(w, hosts[name]) for w, hosts in within if w % 2 and name in hosts]
        ages = [60.0 * when for when, word in audits if word != "bad"]
        assert host["newest_age_s"] == max(ages, default=None)
        assert host["newest_missing"] == len(audits) - len(ages)
        assert host["backups"] == _told(
            [one[1:] for one in backups if one[0] == name], since, until
        )
    assert () == problems(envelopes.envelope("report", {"controls": section}))
    assert shown(section)


def _told(runs: list[tuple[int, bool]], since: int, until: int) -> dict[str, Any]:
    known = [(step, good) for step, good in runs if step < until]
    within = [good for step, good in known if step >= since]
    begun = max(since, min((step for step, _ in known), default=0)) if known else None
    good = [step for step, good in known if good]
    return {
        "good": sum(within),
        "failed": len(within) - sum(within),
        "since": None if begun is None else at(begun).isoformat(),
        "longest_gap_s": None if begun is None else _longest(good, begun, until),
    }


@pytest.mark.parametrize("kept", [True, False])
def test_trouble_ends_within_the_period_or_is_shown(kept: bool) -> None:
    """A trouble that was over before the period is not the period's."""
    bad = Finding("lost", "web1:/srv/a", "the repository cannot produce it")
    end = NOVEMBER.since + (DAY if kept else -DAY)
    reports = [drill(NOVEMBER.since - 9 * DAY, ["web1"], bad), drill(end, ["web1"])]

    assert kept is bool(page(reports, NOVEMBER)["troubles"])
