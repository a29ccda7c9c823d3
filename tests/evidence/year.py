"""A year of reports as a system with two hosts makes them: drills, audits, two incidents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.monitor import envelopes
from verifier.core.finding import Finding
from verifier.core.report import Coverage, conclude
from verifier.monitor.telemetry import BackupRun

FIRST = datetime(2025, 12, 1, 20, tzinfo=UTC)
HOSTS = {"web1": 91 << 30, "db1": 22 << 30}
REPOSITORY = "ab" * 32
LOST, UNREACHABLE = 5, 9
"""The months, from 0, in which a pack is found damaged, and in which db1 does not answer."""


def monthly(month: int, *, copied: bool = False) -> dict[str, object]:
    """Return the drill of a month, from 0; of db1 the off-site copy has nothing unless `copied`."""
    at = FIRST + timedelta(days=30 * month)
    hosts = {n: size for n, size in HOSTS.items() if (month, n) != (UNREACHABLE, "db1")}
    found: tuple[Finding, ...] = ()
    if month == LOST:
        found = tuple(
            Finding("lost", f"web1:/srv/www/photo{place}.jpg", "the repository cannot produce it")
            for place in range(3)
        )
    if month == UNREACHABLE:
        found = (Finding("could-not-verify", "db1", "the host does not answer"),)
    sections: dict[str, Any] = {
        "drill": {
            "repository": _packs(4_200 + 20 * month, 350),
            "hosts": [_host(name, size, month, at) for name, size in hosts.items()],
            "excluded": [],
            "rehearsals": [_rehearsal(name, month) for name in hosts],
            "off_site": {
                "location": "s3:example/bucket",
                **envelopes.copied("web1"),
                **({"hosts": [_copied(name) for name in HOSTS]} if copied else {}),
                **_packs(4_200 + 20 * month, 350),
            },
        },
        "audit": audit(month % 3 * 3_600 + 50_000),
    }
    return _report("monthly", at, timedelta(minutes=47 + month), found, sections, hosts)


def audited(day: int, age_s: int = 40_000) -> dict[str, object]:
    """Return the audit of a day."""
    at = FIRST + timedelta(days=day, hours=-2)
    return _report("audit", at, timedelta(seconds=9), (), {"audit": audit(age_s)}, HOSTS)


def year(*, copied: bool = False) -> Iterator[dict[str, object]]:
    """Yield the reports of twelve months in order: a drill a month, an audit in its middle."""
    for month in range(12):
        yield monthly(month, copied=copied)
        yield audited(30 * month + 15, age_s=95_000 if month == 7 else 40_000)


def backups(days: int = 360) -> Iterator[BackupRun]:
    """Yield the backups of those months: one a day and host, but for three days of web1."""
    for day in range(days):
        for host in HOSTS:
            failed = host == "web1" and 200 <= day < 203
            yield BackupRun(
                host, FIRST + timedelta(days=day, hours=9), 212.0, 1 if failed else 0, "4bba301e"
            )


def _packs(packs: int, read: int) -> dict[str, Any]:
    size = packs * (16 << 20)
    return {
        "packs": packs,
        "packs_read": read,
        "bytes": size,
        "read_bytes": read * (16 << 20),
        "finished": True,
    }


def _copied(name: str) -> dict[str, Any]:
    found: Any = envelopes.copied(name)
    whole: dict[str, Any] = found["hosts"][0]
    return whole


def _host(name: str, size: int, month: int, at: datetime) -> dict[str, Any]:
    return {
        "host": name,
        "snapshot": f"{month:02x}{'ab' if name == 'web1' else 'cd'}" * 16,
        "taken": (at - timedelta(hours=11)).isoformat(),
        "files": 140_000 + 100 * month,
        "bytes": size,
        "counts": {"identical": 140_000, "changed": 12},
    }


def _rehearsal(name: str, month: int) -> dict[str, Any]:
    rate = (24 + month % 4) << 20
    return {
        **envelopes.rehearsed(name),
        "bytes": 1 << 30,
        "duration_s": round((1 << 30) / rate, 2),
        "bytes_per_s": rate,
    }


def audit(age_s: int) -> dict[str, Any]:
    """Return what an audit says of both hosts."""
    return {
        "policy": "--keep-daily=30 --keep-weekly=5 --keep-monthly=12 --keep-yearly=10",
        "rules": "0.18.0",
        "hosts": [
            {"host": name, "expected": True, "newest": FIRST.isoformat(), "age_s": float(age_s)}
            for name in HOSTS
        ],
        "groups": [],
        "suspects": [],
    }


def _report(
    kind: str,
    at: datetime,
    took: timedelta,
    found: tuple[Finding, ...],
    sections: dict[str, Any],
    hosts: Any,
) -> dict[str, object]:
    return conclude(
        kind,
        found,
        Coverage("packs, paths and snapshots", 280_000, 284_210, {"budget spent": 4_210}),
        started_at=at - took,
        finished_at=at,
        tool={"restic-verify": "0.1.0", "restic": "0.18.0", "python": "3.11.7", "os": "Linux 6.1"},
        inputs={
            "repository": "/mnt/storage/restic",
            "repository_id": REPOSITORY,
            "hosts": list(hosts),
        },
        sections=sections,
    ).envelope()
