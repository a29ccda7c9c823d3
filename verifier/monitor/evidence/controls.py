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

from verifier.monitor.evidence.troubles import hosts_of, troubles
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
        backups: of the period, by the history; none where none was asked.
        unsigned: how many reports of the period the history alone has.
    """
    held = _held(verified)
    found = [test for test in held if period.holds(test.at)]
    hosts = dict.fromkeys(host for test in found for host in hosts_of(test.report))
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "signatures": _signatures(verified, keys),
        "repositories": _inputs(found, "repository", "source"),
        "policies": _inputs(found, "policy"),
        "tests": [_test(test) for test in found],
        "hosts": [_host(host, found, held, period, backups) for host in hosts],
        "troubles": troubles((test.number, test.report) for test in found),
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
    ages = [
        one["age_s"]
        for test in tests
        if "audit" in test.report
        for one in test.report["audit"]["hosts"]
        if one["host"] == host and one["age_s"] is not None
    ]
    copies = list(_copies(host, tests))
    return {
        "host": host,
        "tests": len(looks),
        "good": len(good),
        "last_good": good[-1].report["finished"] if good else None,
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
        "newest_age_s": max(ages, default=None),
        "copies": len(copies),
        "copies_whole": sum(copies),
        "backups": None if backups is None else _backups(host, backups, period),
    }


def _looks(host: str, tests: Iterable[Test]) -> Iterator[tuple[Test, str]]:
    for test in tests:
        verdict = verdicts(test.report).get(host)
        if verdict is not None:
            yield test, verdict


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


def _backups(host: str, backups: Sequence[BackupRun], period: Period) -> ControlsBackups:
    own = [run for run in backups if run.host == host and period.holds(run.began_at)]
    good = [run.began_at for run in own if run.succeeded]
    gap = _longest(good, period)
    return {"good": len(good), "failed": len(own) - len(good), "longest_gap_s": gap}


def _longest(instants: Sequence[datetime], period: Period) -> float | None:
    """Return the longest time between instants that follow one another, and to the period's end.

    What began before the period and ends in it counts whole.
    """
    ordered = [*sorted(at for at in instants if at < period.until), period.until]
    spans = [
        (after - before).total_seconds()
        for before, after in pairwise(ordered)
        if after > period.since
    ]
    return max(spans, default=None)
