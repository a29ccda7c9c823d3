"""Failures and what followed: from the report that showed one first to the one that no longer did.

A trouble is a kind of finding about one host, as reports of one kind tell it: an audit, which opens
no pack, cannot take back what a drill found in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from verifier.core.finding import Verdict
from verifier.monitor.render.envelope import Envelope, FindingRecord
from verifier.monitor.render.envelope_evidence import ControlsTrouble


@dataclass(slots=True)
class _Open:
    kind: str
    severity: str
    about: str
    detail: str
    began: str
    first: int
    last: int = 0
    reports: int = 0
    subjects: set[str] = field(default_factory=set)


def troubles(reports: Iterable[tuple[int, Envelope]]) -> list[ControlsTrouble]:
    """Return what went wrong, in the order in which it was seen first.

    Args:
        reports: with their numbers, in the order of their chain.
    """
    reports = tuple(reports)
    # One that no report ever reached is a host all the same: a look at another ends nothing of it.
    hosts = {host for _, report in reports for host in (*hosts_of(report), *named_hosts(report))}
    open_now: dict[tuple[str, str, str], _Open] = {}
    found: list[ControlsTrouble] = []
    for number, report in reports:
        seen = _by_trouble(report)
        for key, findings in seen.items():
            trouble = open_now.get(key) or _Open(
                key[1],
                max((f["severity"] for f in findings), key=lambda name: Verdict[name].rank),
                key[2],
                findings[0]["detail"],
                report["finished"],
                number,
            )
            trouble.last, trouble.reports = number, trouble.reports + 1
            trouble.subjects |= {f["subject"] for f in findings}
            open_now[key] = trouble
        unseen = hosts - set(hosts_of(report))
        for key in [key for key in open_now if key[0] == report["kind"] and key not in seen]:
            # A run that failed saw nothing, and one of other hosts not this one: they end nothing.
            if "error" not in report and key[2] not in unseen:
                found.append(_told(open_now.pop(key), number, report["finished"]))
    found += [_told(trouble, None, None) for trouble in open_now.values()]
    return sorted(found, key=lambda trouble: (trouble["first"], trouble["kind"], trouble["about"]))


def hosts_of(report: Envelope) -> tuple[str, ...]:
    """Return the hosts that a report looked at, in its own order."""
    drilled = [one["host"] for one in report["drill"]["hosts"]] if "drill" in report else []
    audited = [one["host"] for one in report["audit"]["hosts"]] if "audit" in report else []
    return tuple(dict.fromkeys((*drilled, *audited)))


def named_hosts(report: Envelope) -> tuple[str, ...]:
    """Return the hosts that a report was asked to look at."""
    named = report["inputs"].get("hosts")
    return tuple(host for host in named if isinstance(host, str)) if isinstance(named, list) else ()


def _by_trouble(report: Envelope) -> dict[tuple[str, str, str], list[FindingRecord]]:
    gathered: dict[tuple[str, str, str], list[FindingRecord]] = {}
    for finding in report["findings"]:
        if finding["severity"] != "OK":
            about = finding["subject"].partition(":")[0]
            gathered.setdefault((report["kind"], finding["kind"], about), []).append(finding)
    return gathered


def _told(trouble: _Open, number: int | None, at: str | None) -> ControlsTrouble:
    lasted = (
        datetime.fromisoformat(at) - datetime.fromisoformat(trouble.began)
        if at is not None
        else None
    )
    return {
        "kind": trouble.kind,
        "severity": trouble.severity,
        "about": trouble.about,
        "detail": trouble.detail,
        "subjects": len(trouble.subjects),
        "reports": trouble.reports,
        "first": trouble.first,
        "began": trouble.began,
        "last": trouble.last,
        "ended_by": number,
        "ended": at,
        "lasted_s": None if lasted is None else lasted.total_seconds(),
    }
