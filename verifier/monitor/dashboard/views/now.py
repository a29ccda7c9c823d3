"""The page for four in the morning: is all well, and if not, what and since when.

It holds the history to the alert rules itself, at the instant of the request: it is right where
nobody has looked at them for days, and says so. The worst of all reasons makes the state, in the
order of verdicts; a state that nothing is known of is never good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.core.finding import Verdict
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.dashboard import links
from verifier.monitor.dashboard.terms import Terms
from verifier.monitor.dashboard.views.days import Cell, cells
from verifier.monitor.heard import backup_news
from verifier.monitor.history.incidents import PastIncident
from verifier.monitor.history.reports import PastReport, Verified
from verifier.monitor.history.runs import PastCycle
from verifier.monitor.render.wording import count, number, span
from verifier.monitor.telemetry import BackupRun, LogLine

STRIP = timedelta(days=31)
"""How far back runs are needed for the rows of days."""

HEADINGS = {
    Verdict.OK: "All is well",
    Verdict.WARNING: "Something needs a look",
    Verdict.CRITICAL: "Something is wrong",
    Verdict.UNKNOWN: "It is not known whether all is well",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the history knows that this page asks for.

    Attributes:
        last, good: host -> its last run, and its last good one.
        recent: all runs of the last days.
        reports: the newest of each kind, unless a later one looked at the same.
        looked_at: when the alert rules were looked at last.
        incidents: that are open.
        cycle: the newest.
        last_line: of its log.
    """

    hosts: tuple[str, ...]
    last: Mapping[str, BackupRun]
    good: Mapping[str, BackupRun]
    recent: Sequence[BackupRun]
    verified: Mapping[str, Verified]
    watches: Mapping[str, Watch]
    reports: Sequence[PastReport]
    looked_at: datetime | None
    incidents: Sequence[PastIncident] = ()
    cycle: PastCycle | None = None
    last_line: LogLine | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the state is what it is; `place` is the page that says more."""

    verdict: Verdict
    sentence: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host.

    Attributes:
        word: its state in a word.
        good_at: when the last good backup began.
        days: what happened on each of the last days.
        expected: the configuration names it.
    """

    name: str
    verdict: Verdict
    word: str
    good_at: datetime | None
    last: BackupRun | None
    verified: Verified | None
    days: tuple[Cell, ...]
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Now:
    """The whole page, worst first.

    Attributes:
        well, expected: how many hosts are backed up in time, and how many there are.
        verified: how many have ever been proven, `verified_at` the longest ago of the last times.
    """

    verdict: Verdict
    heading: str
    sentence: str
    reasons: tuple[Reason, ...]
    hosts: tuple[HostRow, ...]
    well: int
    expected: int
    verified: int
    verified_at: datetime | None


def now_view(facts: Facts, terms: Terms, now: datetime) -> Now:
    """Return what the page shows at an instant."""
    rows = tuple(_rows(facts, terms, now))
    expected = [row for row in rows if row.expected]
    reasons = sorted(
        (
            *_host_reasons(expected, now),
            *_report_reasons(facts.reports),
            *_verification_reasons(expected, facts, terms, now),
            *_rule_reasons(facts, terms, now),
        ),
        key=lambda reason: -reason.verdict.rank,
    )
    verdict = reasons[0].verdict if reasons else Verdict.OK
    well = sum(row.verdict is Verdict.OK for row in expected)
    proven = [r.verified.good.at for r in expected if r.verified and r.verified.good]
    return Now(
        verdict,
        HEADINGS[verdict],
        _sentence(expected, well, proven, now),
        tuple(reasons),
        tuple(sorted(rows, key=lambda row: (not row.expected, -row.verdict.rank))),
        well,
        len(expected),
        len(proven),
        min(proven, default=None),
    )


def _rows(facts: Facts, terms: Terms, now: datetime) -> Iterator[HostRow]:
    runs: dict[str, list[BackupRun]] = {}
    for run in facts.recent:
        runs.setdefault(run.host, []).append(run)
    fired = terms.schedule.fired(now - STRIP, now)
    names = dict.fromkeys((*terms.hosts, *facts.hosts))
    for name in names:
        expected = name in terms.hosts
        verdict, word = _state(name, facts, terms, now) if expected else (Verdict.OK, "left out")
        good = facts.good.get(name)
        theirs = runs.get(name, [])
        first = min((run.began_at for run in theirs), default=now)
        older = name in facts.last and facts.last[name].began_at < now - STRIP
        since = [at for at in fired if older or at >= first]
        yield HostRow(
            name,
            verdict,
            word,
            good.began_at if good else None,
            facts.last.get(name),
            facts.verified.get(name),
            cells(theirs, since if expected else (), terms.schedule, now),
            expected,
        )


def _state(name: str, facts: Facts, terms: Terms, now: datetime) -> tuple[Verdict, str]:
    good, last = facts.good.get(name), facts.last.get(name)
    failed = last is not None and not last.succeeded
    if good is None:
        watch = facts.watches.get(f"backup {name}")
        if watch is None:
            return Verdict.UNKNOWN, "never backed up"
        good_at = watch.good_at
    else:
        good_at = good.began_at
    ended = [last.ended_at] if last is not None and failed else []
    passed_over = _passed_over(name, facts.cycle, good_at)
    ended += [passed_over] if passed_over else []
    level = terms.backup.level(good_at, max(ended, default=None), now)
    if level is not Verdict.OK:
        return level, "failed" if failed else "not in the last cycle" if passed_over else "late"
    if good is None:
        return Verdict.OK, "awaits its first backup"
    return Verdict.OK, "last run failed" if ended else "backed up"


def _passed_over(name: str, newest: PastCycle | None, good_at: datetime) -> datetime | None:
    """Return when the newest cycle ended, where it made no backup of a host: the key is locked."""
    cycle = newest.cycle if newest else None
    if cycle is None or cycle.began_at <= good_at or any(run.host == name for run in cycle.backups):
        return None
    return next((news.known_at for news in backup_news(name, [cycle])), None)


def _host_reasons(rows: Sequence[HostRow], now: datetime) -> Iterator[Reason]:
    for row in rows:
        if row.verdict is Verdict.OK:
            continue
        if row.good_at is None:
            sentence = f"{row.name}: no good backup is known"
        else:
            sentence = f"{row.name}: the last good backup is {_age(now, row.good_at)} old"
        if row.last is not None and not row.last.succeeded:
            sentence += f", and the last run failed (status {row.last.status})"
        yield Reason(row.verdict, sentence, links.host(row.name))


def _report_reasons(reports: Sequence[PastReport]) -> Iterator[Reason]:
    for report in reports:
        verdict = Verdict[report.verdict]
        if verdict is not Verdict.OK:
            sentence = f"the last {report.kind} report is {verdict.name}"
            more = f": {seen(report)}" if seen(report) else ""
            yield Reason(verdict, sentence + more, links.report(report.number))


def seen(report: PastReport) -> str:
    """Return what a report has found besides what is well: `corrupted 3, late 1`."""
    found = (
        (kind, sum(n for severity, n in counts.items() if severity != Verdict.OK.name))
        for kind, counts in report.findings.items()
    )
    return ", ".join(f"{kind} {number(n)}" for kind, n in found if n)


def _verification_reasons(
    rows: Sequence[HostRow], facts: Facts, terms: Terms, now: datetime
) -> Iterator[Reason]:
    late: dict[Verdict, list[str]] = {}
    for row in rows:
        level = verified_level(row.name, row.verified, facts.watches, terms, now)
        if level is not Verdict.OK:
            late.setdefault(level, []).append(row.name)
    for level, names in late.items():
        whose = names[0] if len(names) == 1 else count(len(names), "host")
        yield Reason(level, f"{whose}: {_unverified(level, terms)}", links.COVERAGE)


def _unverified(level: Verdict, terms: Terms) -> str:
    if level is Verdict.UNKNOWN:
        return "never verified, so nobody knows whether the data would come back"
    ages = terms.verification.rule
    limit = ages.warn_age if level is Verdict.WARNING else ages.alarm_age
    return f"not verified for more than {span(limit.total_seconds())}"


def verified_level(
    name: str,
    verified: Verified | None,
    watches: Mapping[str, Watch],
    terms: Terms,
    now: datetime,
) -> Verdict:
    """Return how bad the age of a host's last good verification is.

    Where there is none, nothing is proven, and that is never good, however young the watch is.
    """
    good_at = verified.good.at if verified and verified.good else None
    watch = watches.get(f"verification {name}")
    since = good_at or (watch.good_at if watch else None)
    if since is None:
        return Verdict.UNKNOWN
    newest = verified.newest if verified else None
    failed_at = newest.at if newest and (good_at is None or newest.at > good_at) else None
    level = terms.verification.level(since, failed_at, now)
    return Verdict.UNKNOWN if level is Verdict.OK and good_at is None else level


def _rule_reasons(facts: Facts, terms: Terms, now: datetime) -> Iterator[Reason]:
    if facts.looked_at is None:
        yield Reason(Verdict.WARNING, "nobody looks at the alert rules, so nobody would be told")
        return
    age = now - facts.looked_at
    if age >= terms.verifier.warn_age:
        said = f"nobody has looked at the alert rules for {span(age.total_seconds())}"
        level = Verdict.CRITICAL if age >= terms.verifier.alarm_age else Verdict.WARNING
        yield Reason(level, f"{said}, so nobody is told")


def _sentence(rows: Sequence[HostRow], well: int, proven: Sequence[datetime], now: datetime) -> str:
    if not rows:
        return "No host is expected."
    held = f"{well} of {count(len(rows), 'host')} backed up in time"
    good = [row.good_at for row in rows if row.good_at is not None]
    held += f", the oldest backup {_age(now, min(good))} old" if good else ""
    shown = f"{len(proven)} of {number(len(rows))} verified"
    shown += f", the longest ago {_age(now, min(proven))}" if proven else ""
    return f"{held}; {shown}."


def _age(now: datetime, at: datetime) -> str:
    return span(max((now - at).total_seconds(), 0.0))
