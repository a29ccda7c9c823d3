"""What signed reports show of controls over backups: tests, coverage, recovery, and troubles.

Pure. Only reports whose signature and place hold are counted. The figures are those of the reports
themselves; what no report measured is null and never estimated, but for the time that a whole
restore would take, which is said to be reckoned from the measured rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import cast

from verifier.monitor.evidence.troubles import hosts_of, named_hosts, troubles
from verifier.monitor.evidence.verify import Verified, reports_that_hold, sectionless
from verifier.monitor.history.reports import verdicts
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.envelope_drill import DrillRehearsal
from verifier.monitor.render.envelope_evidence import (
    Controls,
    ControlsBackups,
    ControlsHost,
    ControlsSignatures,
    ControlsTest,
    ControlsTrouble,
)
from verifier.monitor.render.schema import problems
from verifier.monitor.telemetry import BackupRun

_GOOD = ("OK", "WARNING")


@dataclass(frozen=True, slots=True)
class Period:
    """From one instant until before another."""

    since: datetime
    until: datetime

    def holds(self, at: datetime) -> bool:
        """Return whether an instant lies in it."""
        return self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Test:
    """One signed report of the period."""

    number: int
    sha256: str
    report: Envelope

    @property
    def at(self) -> datetime:
        """When it was finished."""
        return datetime.fromisoformat(self.report["finished"])


def controls(
    verified: Verified,
    keys: Sequence[str],
    period: Period,
    *,
    backups: Sequence[BackupRun] | None = None,
    unsigned: int | None = None,
) -> Controls:
    """Return the section `controls`.

    Args:
        keys: the IDs of the keys that the reports were held against.
        backups: by the history, in order: those of the period, and of each host the last one and
            the last good one before it; none where none was asked.
        unsigned: how many reports of the period the history alone has.
    """
    held = [test for test in _held(verified) if test.at < period.until]
    found = [test for test in held if period.holds(test.at)]
    looked_at = (host for test in found for host in hosts_of(test.report))
    named = (host for test in found for host in named_hosts(test.report))
    backed_up = (run.host for run in backups or () if period.holds(run.began_at))
    # A host that is backed up and never tested is what a reader has to see.
    hosts = dict.fromkeys((*looked_at, *named, *backed_up))
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "signatures": _signatures(verified, keys),
        "repositories": _inputs(found, "repository", "source"),
        "policies": _inputs(found, "policy"),
        "tests": [_test(test) for test in found],
        "longest_untested_s": _longest([test.at for test in held], period),
        "hosts": [_host(host, found, held, period, backups) for host in hosts],
        "troubles": [one for one in _troubles(held) if _lasts_into(one, period)],
        "unsigned": unsigned,
    }


def _held(verified: Verified) -> list[Test]:
    """Return the reports that hold, in the order of the chain.

    Sections that another release wrote in a form of its own are left out: what they say is not
    known, and the verdict stands.
    """
    return [
        Test(
            one.number,
            one.seen.sha256,
            cast(Envelope, sectionless(report) if problems(report) else report),
        )
        for one, report in reports_that_hold(verified)
    ]


def _signatures(verified: Verified, keys: Sequence[str]) -> ControlsSignatures:
    reports = verified.reports
    return {
        "reports": len(reports),
        "holding": sum(one.holds for one in reports),
        "chain": verified.total,
        "anchored": verified.anchored,
        "keys": list(keys),
        "last_sha256": reports[-1].seen.sha256 if reports else "",
    }


def _inputs(tests: Iterable[Test], *names: str) -> list[str]:
    values = (test.report["inputs"].get(name) for test in tests for name in names)
    policies = (test.report["audit"]["policy"] for test in tests if "audit" in test.report)
    texts = (*(str(value) for value in values if value), *(policies if "policy" in names else ()))
    return list(dict.fromkeys(texts))


def _test(test: Test) -> ControlsTest:
    report = test.report
    wrong: dict[str, int] = defaultdict(int)
    for finding in report["findings"]:
        if finding["severity"] != "OK":
            wrong[finding["kind"]] += 1
    packs = report["drill"]["repository"] if "drill" in report else None
    return {
        "number": test.number,
        "sha256": test.sha256,
        "kind": report["kind"],
        "verdict": report["verdict"],
        "started": report["started"],
        "finished": report["finished"],
        "hosts": list(hosts_of(report)),
        "unit": report["coverage"]["unit"],
        "checked": report["coverage"]["checked"],
        "total": report["coverage"]["total"],
        "packs": packs["packs"] if packs else None,
        "packs_read": packs["packs_read"] if packs else None,
        "findings": dict(wrong),
    }


def _host(
    host: str,
    tests: Sequence[Test],
    held: Sequence[Test],
    period: Period,
    backups: Sequence[BackupRun] | None,
) -> ControlsHost:
    looks = list(_looks(host, tests))
    good = [test for test, verdict in looks if verdict in _GOOD]
    ever = [test.at for test, verdict in _looks(host, held) if verdict in _GOOD]
    drilled = [d for test, _ in looks for d in test.report["drill"]["hosts"] if d["host"] == host]
    last = [d for d in looks[-1][0].report["drill"]["hosts"] if d["host"] == host] if looks else []
    size_bytes = sum(one["bytes"] for one in last)
    rehearsals = list(_rehearsals(host, tests))
    rates = [one["bytes_per_s"] for one in rehearsals if one["bytes_per_s"] > 0]
    ages = list(_ages(host, tests))
    copies = list(_copies(host, tests))
    return {
        "host": host,
        "tests": len(looks),
        "good": len(good),
        "last_good": max(good, key=lambda test: test.at).report["finished"] if good else None,
        "longest_without_s": _longest(ever, period),
        "snapshots": len({one["snapshot"] for one in drilled}),
        "files": sum(one["files"] for one in last),
        "bytes": size_bytes,
        "rehearsals": len(rehearsals),
        "restored_files": sum(one["files"] for one in rehearsals),
        "restored_bytes": sum(one["bytes"] for one in rehearsals),
        "restored_s": round(sum(one["duration_s"] for one in rehearsals), 2),
        "least_bytes_per_s": min(rates, default=None),
        "median_bytes_per_s": median(rates) if rates else None,
        "whole_s": round(size_bytes / median(rates), 1) if rates and size_bytes else None,
        "newest_age_s": max((age for age in ages if age is not None), default=None),
        "newest_missing": ages.count(None),
        "copies": len(copies),
        "copies_whole": sum(copies),
        "backups": None if backups is None else _backups(host, backups, period),
    }


def _looks(host: str, tests: Iterable[Test]) -> Iterator[tuple[Test, str]]:
    for test in tests:
        verdict = verdicts(test.report).get(host)
        if verdict is not None:
            yield test, verdict


def _ages(host: str, tests: Iterable[Test]) -> Iterator[float | None]:
    """Yield the age of its newest snapshot at each look; none where there was no snapshot."""
    for test in tests:
        if "audit" in test.report:
            audited = test.report["audit"]["hosts"]
            yield from (one["age_s"] for one in audited if one["host"] == host)


def _rehearsals(host: str, tests: Iterable[Test]) -> Iterator[DrillRehearsal]:
    for test in tests:
        if "drill" in test.report:
            yield from (one for one in test.report["drill"]["rehearsals"] if one["host"] == host)


def _copies(host: str, tests: Iterable[Test]) -> Iterator[bool]:
    """Yield of each look at the copy whether it had a snapshot of the host whole."""
    for test in tests:
        copy = test.report["drill"].get("off_site") if "drill" in test.report else None
        for one in copy["hosts"] if copy else ():
            if one["host"] == host:
                yield one["whole"] is not None


def _troubles(tests: Iterable[Test]) -> list[ControlsTrouble]:
    return troubles((test.number, test.report) for test in tests)


def _lasts_into(trouble: ControlsTrouble, period: Period) -> bool:
    """Return whether a trouble, whenever it began, was not over when the period began."""
    ended = trouble["ended"]
    return ended is None or datetime.fromisoformat(ended) >= period.since


def _backups(host: str, backups: Sequence[BackupRun], period: Period) -> ControlsBackups:
    known = [run for run in backups if run.host == host and run.began_at < period.until]
    if not known:
        return {"good": 0, "failed": 0, "since": None, "longest_gap_s": None}
    # Before its first backup that is known, nobody can say whether there was such a host.
    since = max(period.since, min(run.began_at for run in known))
    own = [run for run in known if period.holds(run.began_at)]
    good = sum(run.succeeded for run in own)
    gap = _longest([r.began_at for r in known if r.succeeded], Period(since, period.until))
    return {
        "good": good,
        "failed": len(own) - good,
        "since": since.isoformat(),
        "longest_gap_s": gap,
    }


def _longest(instants: Sequence[datetime], period: Period) -> float:
    """Return the longest time between instants that follow one another, and to the period's end.

    What began before the period and ends in it counts whole; where nothing is known from before,
    the period's beginning is where the count begins.
    """
    begun = max((at for at in instants if at <= period.since), default=period.since)
    within = sorted(at for at in instants if period.since < at < period.until)
    spans = pairwise([begun, *within, period.until])
    return max((after - before).total_seconds() for before, after in spans)
