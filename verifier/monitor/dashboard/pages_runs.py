"""The pages of runs: how long they took, and what each cycle's log says."""

from __future__ import annotations

from datetime import datetime, timedelta

from verifier.monitor.dashboard import asking, links
from verifier.monitor.dashboard.pages import PART
from verifier.monitor.dashboard.parameters import HOST, Parameter
from verifier.monitor.dashboard.shown import shown
from verifier.monitor.dashboard.site import Asked
from verifier.monitor.dashboard.views.cycles import (
    LISTED,
    backups_word,
    cycle_row,
    log_part,
    shortened,
)
from verifier.monitor.dashboard.views.durations import (
    ADDED,
    COMPARED,
    DURATION,
    SPANS,
    Point,
    figures,
    release_changes,
    series_picture,
    usual_times,
)

DAYS = Parameter("days", "how far back", "text", choices=tuple(SPANS))
BEFORE = Parameter("before", "cycles that began before this one", "integer", most=10**15)

RUNS_LISTED = 30
"""How many runs of a host a page lists."""


def durations(asked: Asked) -> str:
    """Return how long the cycles took, or the backups of one host."""
    days = asked.query.text(DAYS) or "90"
    since = asked.now - timedelta(days=int(days))
    host = asked.query.text(HOST)
    choice = [
        (key, name, links.link(links.DURATIONS, host=host, days=key)) for key, name in SPANS.items()
    ]
    values: dict[str, object] = {
        "choice": choice,
        "days": days,
        "host": host,
        "hosts": asking.hosts(asked),
    }
    return (
        _of_host(asked, asking.require_host(asked, host), since, values)
        if host
        else _of_all(asked, since, values)
    )


def _of_host(asked: Asked, host: str, since: datetime, values: dict[str, object]) -> str:
    runs = asking.backups_of(asked, host, since)
    points = [Point(r.began_at, r.duration_s, r.succeeded, r.restic) for r in runs]
    added = [Point(r.began_at, r.added_bytes, r.succeeded, r.restic) for r in runs]
    values |= {
        "took": figures(points),
        "changes": release_changes(points)[::-1],
        "duration": series_picture(
            "duration", f"Duration of each backup of {host}", points, DURATION, since, asked.now
        )
        if runs
        else "",
        "added": series_picture(
            "added", f"Data added by each backup of {host}", added, ADDED, since, asked.now
        )
        if runs
        else "",
        "runs": [(run, asked.history.cycle_of(run)) for run in runs[: -RUNS_LISTED - 1 : -1]],
    }
    title = f"Backups of {host}"
    return shown(asked.site, "host.html.j2", values, title=title, here=links.DURATIONS)


def _of_all(asked: Asked, since: datetime, values: dict[str, object]) -> str:
    points = [
        Point(cycle.began_at, cycle.duration_s, cycle.status == 0, cycle.restic)
        for cycle in asked.history.cycle_spans(since)
    ]
    recent = asked.history.backups(since=asked.now - 2 * COMPARED)
    values |= {
        "took": figures(points),
        "duration": series_picture(
            "duration", "Duration of each cycle", points, DURATION, since, asked.now
        )
        if points
        else "",
        "changes": release_changes(points),
        "rows": usual_times(recent, asking.hosts(asked), asked.now),
    }
    title = "How long backups take"
    return shown(asked.site, "durations.html.j2", values, title=title, here=links.DURATIONS)


def cycles(asked: Asked) -> str:
    """Return the cycles, the newest first."""
    before = asked.query.integer(BEFORE)
    end = asked.history.cycle(before) if before else None
    # One more than is shown says whether there are more.
    found = asked.history.cycles_before(end.began_at if end else None, LISTED + 1)
    values = {
        "rows": [(cycle_row(past), backups_word(past.cycle)) for past in found[:LISTED]],
        "newest": links.CYCLES if end else "",
        "older": links.link(links.CYCLES, before=found[LISTED - 1].number)
        if len(found) > LISTED
        else "",
    }
    return shown(asked.site, "cycles.html.j2", values, title="Logs of cycles", here=links.CYCLES)


def cycle(asked: Asked) -> str:
    """Return one cycle: its backups, its stages, and a part of its log."""
    past = asking.require_cycle(asked)
    part = log_part(asked.history.cycle_lines(past.number), asked.query.integer(PART))
    place = links.cycle(past.number)
    values = {
        "row": cycle_row(past),
        "backups": backups_word(past.cycle),
        "part": part,
        "lines": [(line, shortened(line.data)) for line in part.lines],
        "earlier": links.link(place, page=part.number - 1) if part.number > 1 else "",
        "later": links.link(place, page=part.number + 1) if part.number < part.parts else "",
    }
    title = f"Cycle of {past.cycle.began_at.astimezone(asked.terms.schedule.zone):%Y-%m-%d %H:%M}"
    return shown(asked.site, "cycle.html.j2", values, title=title, here=links.CYCLES)
