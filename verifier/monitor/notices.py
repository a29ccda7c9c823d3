"""What people are told of reports: the first bad one of a kind, what is worse since, and its end.

One that says the same as the one before is told again only as a reminder. Everything follows from
the history, within the change in which the report is recorded: who is killed has told nothing and
recorded nothing, or owes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from verifier.core.finding import Verdict
from verifier.monitor.delivery import Delivery, report_delivery
from verifier.monitor.history.memory import History
from verifier.monitor.history.reports import PastReport
from verifier.monitor.messages import is_as_bad
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.standing import newest_reports

News = Literal["bad", "still", "over"]

LEVELS = (Verdict.WARNING.name, Verdict.UNKNOWN.name, Verdict.CRITICAL.name)
"""From which verdict on a channel may want to hear of reports."""

_TRIED = 50
"""So many reports are looked through for one that knew."""


def record_report(
    history: History, envelope: Mapping[str, object], remind_every: timedelta
) -> tuple[Delivery, ...]:
    """Record a report, and return what people are to be told of it: at most one of each kind.

    To be called within `History.together`, with owing what it returns.

    Args:
        remind_every: how long after the report before the same is told again.
    """
    report = cast(Envelope, report_delivery(envelope).body)
    earlier = history.reports(report["kind"], limit=_TRIED)
    befores = {level: _before(history, earlier, level) for level in LEVELS}
    stood = [past for past, stands in newest_reports(history) if stands]
    if history.record_report(envelope) is None:
        return ()
    stands = {past.number for past, still in newest_reports(history) if still}
    ended = [p for p in stood if p.kind != report["kind"] and p.number not in stands]
    return (
        *_notice(report, befores, remind_every),
        *(one for past in ended for one in _superseded(report, history.report(past.number))),
    )


def first_notice(envelope: Mapping[str, object]) -> tuple[Delivery, ...]:
    """Return what people are to be told of a report where nothing before it is known."""
    report = cast(Envelope, report_delivery(envelope).body)
    return tuple(_notice(report, dict.fromkeys(LEVELS), timedelta.max))


def _before(history: History, earlier: tuple[PastReport, ...], level: str) -> Envelope | None:
    """Return the report before; one that could not look ends nothing that is worse."""
    known = (
        past
        for past in earlier
        if past.verdict != Verdict.UNKNOWN.name or is_as_bad(past.verdict, level)
    )
    newest = next(known, None)
    return cast(Envelope, history.report(newest.number)) if newest else None


def _notice(
    report: Envelope, befores: Mapping[str, Envelope | None], remind_every: timedelta
) -> Iterator[Delivery]:
    news = {level: _news(report, befores[level], level, remind_every) for level in LEVELS}
    if any(news.values()):
        yield _delivery(report, news, befores)


def _superseded(report: Envelope, past: dict[str, object] | None) -> Iterator[Delivery]:
    before = cast(Envelope, past)
    news: dict[str, News | None] = {
        level: "over"
        if is_as_bad(before["verdict"], level) and not is_as_bad(report["verdict"], level)
        else None
        for level in LEVELS
    }
    if any(news.values()):
        yield _delivery(report, news, dict.fromkeys(LEVELS, before))


def _delivery(
    report: Envelope, news: Mapping[str, News | None], befores: Mapping[str, Envelope | None]
) -> Delivery:
    before = {
        level: one and {name: cast(Any, one)[name] for name in ("kind", "verdict", "finished")}
        for level, one in befores.items()
    }
    body = {"report": report, "news": news, "before": before}
    return Delivery("notice", datetime.fromisoformat(report["finished"]), body)


def _news(
    report: Envelope, before: Envelope | None, level: str, remind_every: timedelta
) -> News | None:
    is_bad = is_as_bad(report["verdict"], level)
    was_bad = before is not None and is_as_bad(before["verdict"], level)
    if before is None or not was_bad:
        return "bad" if is_bad else None
    if not is_bad:
        return None if report["verdict"] == Verdict.UNKNOWN.name else "over"
    is_worse = Verdict[report["verdict"]].rank > Verdict[before["verdict"]].rank
    if is_worse or _troubles(report, level) - _troubles(before, level):
        return "bad"
    finished, finished_before = (datetime.fromisoformat(r["finished"]) for r in (report, before))
    return "still" if finished - finished_before >= remind_every else None


def _troubles(report: Envelope, level: str) -> set[tuple[str, str, str]]:
    return {
        (finding["severity"], finding["kind"], finding["subject"])
        for finding in report["findings"]
        if is_as_bad(finding["severity"], level)
    }
