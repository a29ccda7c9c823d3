"""The same as the pages, for programs: JSON, described by `openapi.py` from the table below."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from verifier.core.finding import Verdict
from verifier.monitor.dashboard import answers, asking
from verifier.monitor.dashboard.parameters import (
    HOST,
    KIND,
    LIMIT,
    OFFSET,
    ONE_HOST,
    SINCE,
    UNTIL,
    Parameter,
)
from verifier.monitor.dashboard.site import Asked, is_storable
from verifier.monitor.dashboard.views.now import HostRow
from verifier.monitor.dashboard.views.retention import AHEAD_DAYS, retention_view
from verifier.monitor.history.incidents import PastIncident
from verifier.monitor.history.runs import PastCycle
from verifier.monitor.render.json import render_json
from verifier.monitor.telemetry import BackupRun

BEFORE = Parameter(
    "before", "cycles that began before the one of this number", "integer", most=10**15
)


CYCLES = Parameter("limit", "at most so many", "integer", least=1, most=100, default=20)
"""One cycle holds as many backups as there are hosts."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked.

    Attributes:
        path: as routes have it; `{number:int}` is a number that is given in it.
        answer: the type of what is answered.
    """

    path: str
    about: str
    make: Callable[[Asked], str]
    answer: Any
    parameters: tuple[Parameter, ...] = ()


def now(asked: Asked) -> str:
    """Answer what the first page shows."""
    known, view = asking.present(asked)
    found: answers.NowAnswer = {
        "at": _written(asked.now),
        "verdict": _name(view.verdict),
        "heading": view.heading,
        "sentence": view.sentence,
        "reasons": [
            {"verdict": _name(reason.verdict), "sentence": reason.sentence}
            for reason in view.reasons
        ],
        "hosts": [_host(row) for row in view.hosts],
        "incidents": [_incident(one) for one in known.incidents],
        "ahead": [{"job": job, "at": _written(at)} for job, at in asked.terms.ahead(asked.now)],
        "looked_at": _maybe(known.looked_at),
    }
    return _text(found)


def backups(asked: Asked) -> str:
    """Answer the newest backups, of one host or of all."""
    query = asked.query
    host, limit = query.text(HOST), query.integer(LIMIT)
    since, until = query.day(SINCE), query.day(UNTIL)
    found: tuple[BackupRun, ...] = ()
    if host is None or is_storable(host):
        found = asked.history.newest_backups(host, since, until, limit + 1)
    return _text({"backups": [_backup(run) for run in found[:limit]], "more": len(found) > limit})


def cycles(asked: Asked) -> str:
    """Answer the newest cycles."""
    limit = asked.query.integer(CYCLES)
    before = asked.query.integer(BEFORE)
    end = asked.history.cycle(before) if before else None
    found = asked.history.cycles_before(end.began_at if end else None, limit + 1)
    return _text({"cycles": [_cycle(past) for past in found[:limit]], "more": len(found) > limit})


def cycle(asked: Asked) -> str:
    """Answer one cycle."""
    return _text(_cycle(asking.require_cycle(asked)))


def lines(asked: Asked) -> str:
    """Answer lines of a cycle's log."""
    past = asking.require_cycle(asked)
    offset, limit = asked.query.integer(OFFSET), asked.query.integer(LIMIT)
    log = asked.history.cycle_lines(past.number)
    shown: list[answers.LineAnswer] = [
        {"at": _written(line.at), "service": line.service, "line": line.data}
        for line in log[offset : offset + limit]
    ]
    return _text({"lines": shown, "total": len(log)})


def incidents(asked: Asked) -> str:
    """Answer the incidents that were open at some time."""
    found = asked.history.incidents(asked.query.day(SINCE))
    return _text({"incidents": [_incident(one) for one in found[: asked.query.integer(LIMIT)]]})


def reports(asked: Asked) -> str:
    """Answer the newest reports."""
    found = asked.history.reports(asked.query.text(KIND) or None, asked.query.integer(LIMIT))
    listed: list[answers.ReportAnswer] = [
        {
            "number": past.number,
            "kind": past.kind,
            "verdict": past.verdict,
            "started": _written(past.started_at),
            "finished": _written(past.finished_at),
            "findings": {kind: dict(counts) for kind, counts in past.findings.items()},
        }
        for past in found
    ]
    return _text({"reports": listed})


def report(asked: Asked) -> str:
    """Answer one report, as `--json` printed it."""
    return render_json(asking.require_report(asked))


def retention(asked: Asked) -> str:
    """Answer the restore points of one host."""
    host = asking.require_host(asked, cast(str, asked.query.text(ONE_HOST)))
    snapshots, _, reading = asking.restore_points(asked, host)
    read = reading is not None and reading.snapshots is not None
    view = retention_view(snapshots, asked.terms, asked.now)
    found: answers.RetentionAnswer = {
        "host": host,
        "source": "repository" if read else "model",
        "read": _maybe(reading.read_at) if reading and read else None,
        "days_ahead": AHEAD_DAYS,
        "restore_points": [
            {
                "id": point.id,
                "time": point.taken_at.isoformat(),
                "reasons": list(point.reasons),
                "goes": _maybe(point.goes_at),
            }
            for point in view.points
        ],
    }
    return _text(found)


OPERATIONS = (
    Operation("/api/now", "whether all is well at present", now, answers.NowAnswer),
    Operation(
        "/api/backups",
        "backups, the newest first",
        backups,
        answers.BackupsAnswer,
        (HOST, SINCE, UNTIL, LIMIT),
    ),
    Operation(
        "/api/cycles", "cycles, the newest first", cycles, answers.CyclesAnswer, (BEFORE, CYCLES)
    ),
    Operation("/api/cycles/{number:int}", "one cycle", cycle, answers.CycleAnswer),
    Operation(
        "/api/cycles/{number:int}/lines",
        "what its log says",
        lines,
        answers.LinesAnswer,
        (OFFSET, LIMIT),
    ),
    Operation(
        "/api/incidents",
        "incidents that were open at some time, the newest first",
        incidents,
        answers.IncidentsAnswer,
        (SINCE, LIMIT),
    ),
    Operation(
        "/api/reports",
        "reports, the newest first",
        reports,
        answers.ReportsAnswer,
        (KIND, LIMIT),
    ),
    Operation("/api/reports/{number:int}", "one report, as --json printed it", report, None),
    Operation(
        "/api/retention",
        "the restore points of a host, and when they go",
        retention,
        answers.RetentionAnswer,
        (ONE_HOST,),
    ),
)
"""All that can be asked; routes and the description are made of it."""


def _host(row: HostRow) -> answers.HostAnswer:
    verified = row.verified
    return {
        "host": row.name,
        "expected": row.expected,
        "verdict": _name(row.verdict),
        "state": row.word,
        "last_good_backup": _maybe(row.good_at),
        "last_backup": _maybe(row.last.began_at if row.last else None),
        "last_status": row.last.status if row.last else None,
        "last_verified": _maybe(verified.newest.at if verified else None),
        "last_verdict": verified.newest.verdict if verified else None,
        "last_good_verification": _maybe(verified.good.at if verified and verified.good else None),
    }


def _backup(run: BackupRun) -> answers.BackupAnswer:
    return {
        "host": run.host,
        "began": _written(run.began_at),
        "duration_s": run.duration_s,
        "status": run.status,
        "snapshot": run.snapshot,
        "restic": run.restic,
        "files_new": run.files_new,
        "files_changed": run.files_changed,
        "files_unmodified": run.files_unmodified,
        "processed_bytes": run.processed_bytes,
        "added_bytes": run.added_bytes,
        "errors": run.errors,
        "message": run.message,
    }


def _cycle(past: PastCycle) -> answers.CycleAnswer:
    cycle = past.cycle
    return {
        "number": past.number,
        "coordinator": cycle.coordinator,
        "service": cycle.service,
        "began": _written(cycle.began_at),
        "duration_s": cycle.duration_s,
        "status": cycle.status,
        "backups": [_backup(run) for run in cycle.backups],
        "stages": [
            {
                "name": stage.name,
                "began": _written(stage.began_at),
                "duration_s": stage.duration_s,
                "status": stage.status,
            }
            for stage in cycle.stages
        ],
    }


def _incident(one: PastIncident) -> answers.IncidentAnswer:
    return {
        "subject": one.subject,
        "level": one.level,
        "opened": _written(one.opened_at),
        "alarmed": _maybe(one.alarmed_at),
        "resolved": _maybe(one.resolved_at),
    }


def _name(verdict: Verdict) -> answers.VerdictName:
    return cast(answers.VerdictName, verdict.name)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else _written(at)


def _text(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=True, allow_nan=False) + "\n"
