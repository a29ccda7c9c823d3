"""A look at the alert rules in a sentence, in tables, and in the words that people are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope import (
    Alert,
    AlertIncident,
    AlertSilence,
    AlertSubject,
    AlertTold,
    AlertTrial,
)
from verifier.monitor.render.wording import count, moment, printable, span

_INCIDENTS: Row = ("incident", "level", "since", "for", "told")
_SUBJECTS: Row = ("subject", "last good", "age", "worth telling")
_TOLD: Row = ("told", "of", "level", "at")
_TRIALS: Row = ("to", "arrived", "")
_SILENCES: Row = ("number", "subject", "from", "until", "reason")
_FIGURES = frozenset({"age", "for", "number"})


def alert_headline(alert: Alert) -> str:
    """Return what was looked at, tried or silenced, in its own figures."""
    if "trials" in alert:
        arrived = sum(trial["arrived"] is True for trial in alert["trials"])
        tried = sum(trial["arrived"] is not None for trial in alert["trials"])
        return f"{count(arrived, 'test')} arrived of {count(tried, 'channel or sink')}"
    if "incidents" not in alert:
        return count(len(alert.get("silences", ())), "silence")
    return (
        f"{count(len(alert.get('subjects', ())), 'subject')}, "
        f"{count(len(alert['incidents']), 'incident')} open, "
        f"{count(len(alert.get('told', ())), 'message')}"
    )


def alert_messages(alert: Alert) -> Iterator[str]:
    """Yield what people are told, line by line."""
    for told in alert.get("told", ()):
        yield from ("", printable(told["title"]), *(f"  {printable(it)}" for it in told["lines"]))


def alert_tables(alert: Alert) -> Iterator[Table]:
    """Yield the tables that have something to say."""
    yield from _table("Open incidents", _INCIDENTS, map(_incident, alert.get("incidents", ())))
    yield from _table("Told", _TOLD, map(_told, alert.get("told", ())))
    yield from _table("Watched", _SUBJECTS, map(_subject, alert.get("subjects", ())))
    yield from _table("Tests", _TRIALS, map(_trial, alert.get("trials", ())))
    yield from _table("Silences", _SILENCES, map(_silence, alert.get("silences", ())))


def _table(title: str, names: Row, rows: Iterable[Row]) -> Iterator[Table]:
    right = frozenset(place for place, name in enumerate(names) if name in _FIGURES)
    found = tuple(rows)
    if found:
        yield Table(title, (names, *found), right)


def _incident(incident: AlertIncident) -> Row:
    level = f"{incident['level']}, flapping" if incident["flapping"] else incident["level"]
    told = moment(incident["told"]) if incident["told"] else "not yet: silenced"
    return (
        printable(incident["subject"]),
        level,
        moment(incident["opened"]),
        span(incident["lasted_s"]),
        told,
    )


def _subject(subject: AlertSubject) -> Row:
    return (
        printable(subject["subject"]),
        moment(subject["good"]) if subject["good"] else "never",
        span(subject["age_s"]),
        moment(subject["next"]) if subject["next"] else "",
    )


def _told(told: AlertTold) -> Row:
    return (told["kind"], printable(told["subject"]), told["level"], moment(told["time"]))


def _trial(trial: AlertTrial) -> Row:
    arrived = {True: "yes", False: "NO", None: "not tried"}[trial["arrived"]]
    return (printable(trial["name"]), arrived, printable(trial["detail"]))


def _silence(silence: AlertSilence) -> Row:
    return (
        str(silence["number"] or "verify.toml"),
        printable(silence["subject"]),
        moment(silence["begins"]),
        moment(silence["until"]),
        printable(silence["reason"]),
    )
