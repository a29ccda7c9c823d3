"""The pages of the present, of proofs and of restore points, and any report."""

from __future__ import annotations

from typing import cast

from verifier.core.finding import Verdict
from verifier.monitor.dashboard import asking, links
from verifier.monitor.dashboard.parameters import HOST, KIND, Parameter
from verifier.monitor.dashboard.shown import shown
from verifier.monitor.dashboard.site import Asked
from verifier.monitor.dashboard.views.coverage import SHOWN, coverage_rows, marks_picture
from verifier.monitor.dashboard.views.cycles import backups_word, cycle_row, shortened
from verifier.monitor.dashboard.views.days import days_picture
from verifier.monitor.dashboard.views.now import seen
from verifier.monitor.dashboard.views.retention import (
    AHEAD_DAYS,
    calendar_days,
    calendar_picture,
    retention_view,
)
from verifier.monitor.render.drill import Table
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.envelope_drill import Ledger
from verifier.monitor.render.ledger import LIMIT, ledger_bars, ledger_tables
from verifier.monitor.render.page import page_values

REFRESH = Parameter("refresh", "seconds until the page asks again", "integer", least=0, most=3_600)
PART = Parameter("page", "a part of a list, from 1", "integer", least=1, most=1_000_000, default=1)

QUOTED = Parameter("quoted", "the name of a host, quoted as in an address", "text")

REPORTS_LISTED = 100
"""How many reports a page lists."""


def now(asked: Asked) -> str:
    """Return whether all is well, and what is not."""
    known, view = asking.present(asked)
    ahead = asked.terms.ahead(asked.now)
    values = {
        "view": view,
        "facts": known,
        "ahead": ahead,
        "silences": [
            one
            for one in asked.terms.silences(asked.history)
            if one.from_at <= asked.now < one.until_at
        ],
        "cycle": cycle_row(known.cycle) if known.cycle else None,
        "backups": backups_word(known.cycle.cycle) if known.cycle else "",
        "line": shortened(known.last_line.data) if known.last_line else "",
        "days": {row.name: days_picture(row.name, row.days) for row in view.hosts},
        "refresh": asked.query.integer(REFRESH),
    }
    title = f"{view.heading} ({view.well} of {view.expected})"
    return shown(
        asked.site, "now.html.j2", values, title=title, here=links.NOW, verdict=view.verdict
    )


def coverage(asked: Asked) -> str:
    """Return what was proven when."""
    rows = coverage_rows(
        asked.history.verifications(),
        asked.history.verifications_since(asked.now - SHOWN),
        asked.history.watches(),
        asked.terms,
        asked.now,
    )
    ledger = cast(Ledger | None, asked.terms.ledger())
    tables: tuple[Table, ...] = tuple(ledger_tables(ledger)) if ledger else ()
    values = {
        "rows": rows,
        "marks": {row.host: marks_picture(row.host, row.marks) for row in rows},
        "has_ledger": ledger is not None,
        "bars": ledger_bars(ledger) if ledger else None,
        "tables": tables,
        "limit": LIMIT,
    }
    title = "What was proven when"
    return shown(asked.site, "coverage.html.j2", values, title=title, here=links.COVERAGE)


def retention(asked: Asked) -> str:
    """Return the restore points of one host: what is there, why, and what will go."""
    hosts = asking.hosts(asked)
    chosen = links.unquoted(asked.query.text(QUOTED) or "")
    host = asked.query.text(HOST) or chosen or (hosts[0] if hosts else "")
    values: dict[str, object] = {"hosts": hosts, "host": host, "ahead_days": AHEAD_DAYS}
    if host:
        asking.require_host(asked, host)
        snapshots, runs, reading = asking.restore_points(asked, host)
        view = retention_view(snapshots, asked.terms, asked.now)
        calendar = calendar_days(view, runs, asked.terms, asked.now)
        values |= {
            "view": view,
            "reading": reading,
            "calendar": calendar_picture(host, calendar),
            "states": {day.state for day in calendar},
            "policy": str(asked.terms.forgetting.policy),
            "release": asked.terms.forgetting.rules.release,
            "paths": ", ".join(asked.terms.forgetting.paths.get(host, ())),
        }
    title = f"Restore points of {host}" if host else "Restore points"
    return shown(asked.site, "retention.html.j2", values, title=title, here=links.RETENTION)


def reports(asked: Asked) -> str:
    """Return the reports, the newest first."""
    kind, part = asked.query.text(KIND) or None, asked.query.integer(PART)
    first = (part - 1) * REPORTS_LISTED
    # One more than is shown says whether there are more.
    found = asked.history.reports(kind, first + REPORTS_LISTED + 1)[first:]
    values = {
        "reports": [(report, seen(report)) for report in found[:REPORTS_LISTED]],
        "kind": kind or "",
        "kinds": ("", "monthly", "drill", "audit"),
        "newer": links.link(links.REPORTS, kind=kind, page=part - 1) if part > 1 else "",
        "older": links.link(links.REPORTS, kind=kind, page=part + 1)
        if len(found) > REPORTS_LISTED
        else "",
    }
    return shown(asked.site, "reports.html.j2", values, title="Reports", here=links.REPORTS)


def report(asked: Asked) -> str:
    """Return one report, as it is mailed or printed."""
    envelope = cast(Envelope, asking.require_report(asked))
    values = {**page_values(cast(dict[str, object], envelope)), "number": asked.number}
    title = f"{envelope['verdict']}: {envelope['kind']} {envelope['finished'][:10]}"
    verdict = Verdict[envelope["verdict"]]
    return shown(
        asked.site, "one_report.html.j2", values, title=title, here=links.REPORTS, verdict=verdict
    )
