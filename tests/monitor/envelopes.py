"""Plausible reports of every kind, made without the rooms that make the real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from verifier.core.finding import Finding
from verifier.core.report import Coverage, conclude

PACIFIC = timezone(timedelta(hours=-8))
FIRST = datetime(2024, 1, 1, 4, tzinfo=PACIFIC)
HOSTILE = "</title><script>alert(1)</script>\x1b[31m\u202egnp\n\udcff\"'&"

_BUCKETS: dict[str, tuple[int, Callable[[datetime], object]]] = {
    "daily": (30, lambda at: at.date()),
    "weekly": (5, lambda at: at.isocalendar()[:2]),
    "monthly": (12, lambda at: (at.year, at.month)),
    "yearly": (10, lambda at: at.year),
}


def _reasons(newest_first: list[datetime]) -> dict[datetime, list[str]]:
    """Keep the newest of each bucket and the oldest of all: enough to look like forget."""
    kept: dict[datetime, list[str]] = {}
    for rule, (limit, bucket) in _BUCKETS.items():
        left, last = limit, None
        for at in newest_first:
            represented = bucket(at) == last
            if left and (not represented or at is newest_first[-1]):
                word = f"oldest {rule} snapshot" if represented else f"{rule} snapshot"
                kept.setdefault(at, []).append(word)
                last, left = bucket(at), left - 1
    return kept


def _snapshot(host: str, paths: list[str], at: datetime) -> dict[str, Any]:
    time = at.isoformat()
    return {"id": f"{host}@{time}", "host": host, "paths": paths, "time": time}


def timeline(
    *,
    days: int = 400,
    hosts: Iterable[str] = ("web1", "web2", "db1"),
    down: tuple[str, int, int] = ("db1", 200, 206),
    fidelity: str = "decisions",
) -> Any:
    """Return a section as `simulate` makes it, open to be spoilt."""
    sources = {host: ["/etc", f"/srv/{host}"] for host in hosts}
    alive: dict[str, dict[datetime, list[str]]] = {host: {} for host in sources}
    steps = []
    for day in range(days):
        at = FIRST + timedelta(days=day)
        created, removed, missed = [], [], []
        for host, paths in sources.items():
            if host == down[0] and down[1] <= day <= down[2]:
                missed.append(host)
                continue
            created.append(_snapshot(host, paths, at))
            before = alive[host]
            newest_first = [at, *before]
            reasons = _reasons(newest_first)
            for gone in newest_first:
                if gone not in reasons:
                    removed.append({**_snapshot(host, paths, gone), "reasons": before[gone]})
            alive[host] = {at: reasons[at] for at in newest_first if at in reasons}
        real = fidelity == "cycle"
        steps.append(
            {
                "time": at.isoformat(),
                "created": created,
                "removed": removed,
                "kept": sum(map(len, alive.values())),
                "missed": missed,
                "findings": [],
                "duration_s": 1.1 + (day * 37 % 11) / 10 if real else None,
                "repository_bytes": 3_000_000 + day * 41_000 - day % 7 * 90_000 if real else None,
            }
        )
    last = FIRST + timedelta(days=days - 1)
    return {
        "fidelity": fidelity,
        "restic": None if fidelity == "model" else "0.18.0",
        "days": days,
        "first": FIRST.isoformat(),
        "last": last.isoformat(),
        "created": sum(len(step["created"]) for step in steps),
        "steps": steps,
        "survivors": [
            {**_snapshot(host, sources[host], at), "reasons": reasons}
            for host in sources
            for at, reasons in alive[host].items()
        ],
        "groups": [
            {
                "host": host,
                "paths": sources[host],
                "survivors": len(alive[host]),
                "bound": 57,
                "worst_gap_s": 8 * 86400 if host == down[0] else 86400,
                "recovery": _recovery(list(alive[host]), last),
            }
            for host in sources
        ],
        "agreement": None if fidelity == "model" else {"decisions": days, "agreed": days},
        "invariants": [
            {
                "name": "newest-kept",
                "stated": "The newest snapshot of a group is never removed.",
                "checked": days * 3,
                "violated": 0,
            },
            {
                "name": "daily-kept",
                "stated": "Each of the last 30 days that had a backup has a restore point.",
                "checked": days * 90,
                "violated": 0,
            },
            {
                "name": "reachable",
                "stated": "After prune the repository holds nothing that no snapshot needs.",
                "checked": 0,
                "violated": 0,
            },
        ],
        "notes": ["41 and not 40 a host: since restic 0.16 the first snapshot of a group stays."],
        "next": "restic-verify simulate --days 400 --fidelity cycle",
    }


def _recovery(kept: list[datetime], last: datetime) -> list[dict[str, Any]]:
    points = []
    for age in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365):
        wanted = last - timedelta(days=age)
        older = [at for at in kept if at <= wanted]
        loss = (wanted - max(older)).total_seconds() if older else None
        points.append({"age_days": age, "loss_s": loss})
    return points


def envelope(
    kind: str,
    sections: dict[str, Any],
    *,
    findings: tuple[Finding, ...] = (),
    coverage: Coverage | None = None,
    measurements: dict[str, object] | None = None,
) -> dict[str, object]:
    """Return a whole report around a section."""
    return conclude(
        kind,
        findings,
        coverage or Coverage("decisions", 400, 400),
        started_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        finished_at=datetime(2026, 3, 1, 12, 0, 41, tzinfo=UTC),
        tool={"restic-verify": "0.1.0", "restic": "0.18.0", "python": "3.11.7", "os": "Linux 6.1"},
        inputs={
            "policy": "--keep-daily=30 --keep-weekly=5 --keep-monthly=12 --keep-yearly=10",
            "seed": 7,
            "hosts": ["web1", "web2", "db1"],
            "timezone": "America/Los_Angeles",
        },
        measurements=measurements or {"steps": 400, "cycle_mean_s": 1.2},
        sections=sections,
    ).envelope()


def simulated(**options: Any) -> dict[str, object]:
    """Return the report of a simulation; the options are those of `timeline`."""
    return envelope("simulate", {"timeline": timeline(**options)})


def planned(host: str = "web1", *, refused: str = "") -> dict[str, object]:
    """Return the report of a plan for one group of 400 days, which knows one surprise."""
    taken = [FIRST + timedelta(days=day) for day in reversed(range(400))]
    kept = _reasons(taken)
    ids = {at: f"{place:08x}" * 8 for place, at in enumerate(taken)}
    group = {
        "host": host,
        "paths": ["/srv"],
        "tags": [],
        "keep": [
            {"id": ids[at], "time": at.isoformat(), "reasons": kept[at]}
            for at in taken
            if at in kept
        ],
        "remove": [{"id": ids[at], "time": at.isoformat()} for at in taken if at not in kept],
    }
    surprise = Finding("frozen-group", f"{host} /srv", "it receives nothing any more")
    plan = {
        "groups": [group],
        "rules": "0.18.0",
        "policy": "--keep-daily=30 --keep-weekly=5 --keep-monthly=12 --keep-yearly=10",
        "refused": refused,
        "surprises": [
            {
                "kind": surprise.kind,
                "subject": surprise.subject,
                "sentence": surprise.detail,
            }
        ],
    }
    covered = Coverage("snapshots", 400, 400)
    return envelope("plan", {"plan": plan}, findings=(surprise,), coverage=covered)


def drilled(
    *, corrupted: int = 0, host: str = "web1", others: Iterable[str] = ("db1",)
) -> dict[str, object]:
    """Return the report of a monthly drill on some hosts; what is corrupted is the first one's."""
    counts = {"identical": 14_848, "changed": 12, "corrupted": corrupted}
    hosts = [
        {
            "host": name,
            "snapshot": "4bba301e" * 8,
            "taken": FIRST.isoformat(),
            "files": 14_860,
            "bytes": 1_500_000_000,
            "counts": dict(counts),
        }
        for name in (host, *others)
    ]
    found = tuple(
        Finding(
            "corrupted",
            f"{host}:/srv/file{place:04d}",
            "content differs, size and times as recorded",
            {"size_bytes": 4096, "mtime": "2023-12-01T00:00:00Z"},
        )
        for place in range(corrupted)
    )
    packs = {
        "packs": 110,
        "packs_read": 55,
        "bytes": 1_700_000_000,
        "read_bytes": 850_000_000,
        "finished": True,
    }
    excluded = {"pattern": "*.tmp", "include": "/srv", "files": 12, "bytes": 4_096}
    drill = {
        "repository": packs,
        "hosts": hosts,
        "excluded": [{"host": host, **excluded}],
        "rehearsals": [rehearsed(host)],
        "off_site": {"location": "s3:example/bucket", **copied(host), **packs, "finished": False},
    }
    return envelope(
        "monthly",
        {"drill": drill},
        findings=found,
        coverage=Coverage("files", 29_720, 30_000, {"budget spent": 280}),
    )


def rehearsed(host: str) -> dict[str, object]:
    """Return what a drill says of one rehearsal."""
    return {
        "host": host,
        "snapshot": "4bba301e" * 8,
        "restic": "0.19.1",
        "entries": 400,
        "of_entries": 15_000,
        "files": 380,
        "bytes": 90_000_000,
        "duration_s": 2.5,
        "bytes_per_s": 36_000_000,
        "reasons": {"canary": 1, "drawn": 399},
        "counts": {"identical": 400},
        "applications": {"sqlite": {"accepted": 3, "refused": 1}},
        "refused_as_backed_up": {"count": 1, "first": ["/srv/app.db: malformed"]},
        "canaries": 1,
    }


def copied(host: str) -> dict[str, object]:
    """Return what a drill says of the snapshots of a copy: one host has none there."""
    newest = {"newest": "4bba301e" * 8, "newest_taken": FIRST.isoformat()}
    whole = {"whole": "4bba301e" * 8, "whole_taken": FIRST.isoformat()}
    return {
        "method": "restic-copy",
        "counts": {"both": 40, "lacking": 1},
        "hosts": [
            {"host": host, **newest, **whole},
            {"host": "db1", **newest, "whole": None, "whole_taken": None},
        ],
    }


def failed() -> dict[str, object]:
    """Return the report of a command that could not look."""
    return envelope(
        "monthly",
        {
            "error": {
                "message": "backup.example: the host does not answer",
                "remedy": "check that sshd listens on port 50000",
                "exit_code": 3,
            }
        },
        findings=(Finding("could-not-verify", "backup.example", "the host does not answer"),),
        coverage=Coverage("checks", 0, 0),
    )


def toolchain() -> dict[str, object]:
    """Return a report without a section of its own."""
    return envelope("toolchain", {}, coverage=Coverage("tools", 7, 7))
