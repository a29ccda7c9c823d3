"""Rows of reports: the envelope whole, what is asked of it often beside it, a verdict a host.

A verdict of a host is the worst of the findings that are about it, or about no host by name: what
is wrong with the repository is wrong for everybody in it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from verifier.core.errors import CannotVerify
from verifier.core.finding import Verdict
from verifier.monitor.history.tables import written
from verifier.monitor.render.envelope import Envelope, FindingRecord, VerdictName

VERIFYING = ("monthly", "drill")
"""Kinds of report that verify what a host would get back."""


@dataclass(frozen=True, slots=True)
class PastReport:
    """A report under the number that the history gave it.

    Attributes:
        findings: kind -> severity -> how many.
    """

    number: int
    kind: str
    verdict: VerdictName
    started_at: datetime
    finished_at: datetime
    findings: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Verification:
    """One look at a host's backup.

    Attributes:
        at: when the report was finished.
        report: its number.
    """

    host: str
    at: datetime
    verdict: VerdictName
    report: int


@dataclass(frozen=True, slots=True)
class Verified:
    """The newest look at a host's backup, and the newest that proved it good.

    Attributes:
        good: its verdict was OK, or WARNING: something is odd, and nothing is lost by it.
    """

    newest: Verification
    good: Verification | None


def record_report(connection: sqlite3.Connection, envelope: Mapping[str, object]) -> int | None:
    """Write a report down, within a transaction; return its number, None where it is known."""
    text = json.dumps(envelope, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    report = cast(Envelope, envelope)
    finished = written(datetime.fromisoformat(report["finished"]))
    row = (
        hashlib.sha256(text.encode()).digest(),
        report["kind"],
        report["verdict"],
        written(datetime.fromisoformat(report["started"])),
        finished,
        json.dumps(_counts(report["findings"]), sort_keys=True),
    )
    found = connection.execute(_REPORT, row).fetchone()
    if found is None:
        return None
    number = int(found[0])
    body = zlib.compress(json.dumps(envelope, separators=(",", ":")).encode())
    connection.execute("INSERT INTO envelopes VALUES (?, ?)", (number, body))
    verified = ((host, finished, number, verdict) for host, verdict in verdicts(report).items())
    connection.executemany("INSERT INTO verifications VALUES (?, ?, ?, ?)", verified)
    return number


_REPORT = """
INSERT INTO reports (digest, kind, verdict, started_at, finished_at, findings)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING number
"""


def _counts(findings: Iterable[FindingRecord]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for finding in findings:
        counted.setdefault(finding["kind"], Counter())[finding["severity"]] += 1
    return {kind: dict(counts) for kind, counts in counted.items()}


def verdicts(report: Envelope) -> dict[str, VerdictName]:
    """Return what a report says of each host that it looked at; nothing of those it did not."""
    if report["kind"] not in VERIFYING or "drill" not in report:
        return {}
    looked_at = {host["host"] for host in report["drill"]["hosts"]}
    named = cast(Sequence[str], report["inputs"].get("hosts") or ())
    hosts = {*looked_at, *named, *(host["host"] for host in report.get("audit", _NONE)["hosts"])}
    return {host: _verdict(host, hosts, report["findings"]) for host in sorted(looked_at)}


_NONE: Any = {"hosts": ()}


def _verdict(host: str, hosts: set[str], findings: Iterable[FindingRecord]) -> VerdictName:
    about = (f for f in findings if _subject(f["subject"], hosts) in ("", host))
    worst = max((Verdict[f["severity"]] for f in about), key=lambda v: v.rank, default=Verdict.OK)
    return cast(VerdictName, worst.name)


def _subject(subject: str, hosts: set[str]) -> str:
    """Return the host that a finding is about by name; empty where it is about none."""
    # `web1`, `web1:/srv`, and a group of snapshots, `web1 /srv`.
    word = subject.partition(" ")[0]
    return next((name for name in (word, word.partition(":")[0]) if name in hosts), "")


def read_report(connection: sqlite3.Connection, number: int) -> dict[str, object] | None:
    """Return a report's envelope; None where there is no such report."""
    query = "SELECT body FROM envelopes WHERE report = ?"
    found = connection.execute(query, (number,)).fetchone()
    if found is None:
        return None
    try:
        return cast(dict[str, object], json.loads(zlib.decompress(found[0])))
    except (zlib.error, ValueError) as error:
        message = f"cannot be read from the history: {error}"
        raise CannotVerify(f"report {number}", message, "take the file from a backup") from error


def past_report(row: Sequence[Any]) -> PastReport:
    """Return the row of a report: number, kind, verdict, both instants, findings."""
    number, kind, verdict, started_at, finished_at, findings = row
    return PastReport(
        number,
        kind,
        verdict,
        datetime.fromisoformat(started_at).astimezone(UTC),
        datetime.fromisoformat(finished_at).astimezone(UTC),
        json.loads(findings),
    )


REPORT_COLUMNS = "number, kind, verdict, started_at, finished_at, findings"


def read_verified(connection: sqlite3.Connection) -> dict[str, Verified]:
    """Return each host's newest verification and its newest good one."""
    newest = _newest(connection, "1")
    good = _newest(connection, "verdict IN ('OK', 'WARNING')")
    return {host: Verified(one, good.get(host)) for host, one in newest.items()}


def read_verifications(connection: sqlite3.Connection, since: str) -> Iterator[Verification]:
    """Yield every verification since an instant, the oldest first."""
    query = "SELECT host, at, verdict, report FROM verifications WHERE at >= ? ORDER BY at, host"
    for host, at, verdict, report in connection.execute(query, (since,)):
        yield Verification(host, datetime.fromisoformat(at).astimezone(UTC), verdict, report)


def _newest(connection: sqlite3.Connection, condition: str) -> dict[str, Verification]:
    # SQLite gives the other columns of the row that holds the maximum.
    query = (
        f"SELECT host, max(at), verdict, report FROM verifications WHERE {condition} "  # noqa: S608
        "GROUP BY host ORDER BY host"
    )
    return {
        host: Verification(host, datetime.fromisoformat(at).astimezone(UTC), verdict, report)
        for host, at, verdict, report in connection.execute(query)
    }
