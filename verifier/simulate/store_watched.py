"""Incidents and recovery points in JSON's shape, for results that are kept and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from verifier.simulate.scenario_alerts import Alert
from verifier.simulate.scenario_recovery import Recovery

_SECOND = timedelta(seconds=1)


def render_watched(
    alerts: Sequence[Alert], recovery: Sequence[Recovery]
) -> dict[str, list[list[Any]]]:
    """Return incidents and recovery points as lists; ages in whole seconds."""
    return {
        "alerts": [
            [
                alert.host,
                alert.level,
                alert.opened_at.isoformat(),
                alert.opened_age // _SECOND,
                alert.escalated_at and alert.escalated_at.isoformat(),
                None if alert.escalated_age is None else alert.escalated_age // _SECOND,
                alert.resolved_at and alert.resolved_at.isoformat(),
            ]
            for alert in alerts
        ],
        "recovery": [[one.host, one.day.isoformat(), one.hours] for one in recovery],
    }


def parse_watched(stored: Mapping[str, Any]) -> tuple[tuple[Alert, ...], tuple[Recovery, ...]]:
    """Return what `render_watched` was given.

    Raises:
        KeyError, TypeError, ValueError: it is of another shape.
    """
    alerts = tuple(
        Alert(
            host, level, _at(opened), opened_s * _SECOND, _maybe(escalated), _age(age_s), _maybe(at)
        )
        for host, level, opened, opened_s, escalated, age_s, at in stored["alerts"]
    )
    recovery = tuple(
        Recovery(host, date.fromisoformat(day), hours) for host, day, hours in stored["recovery"]
    )
    return alerts, recovery


_at = datetime.fromisoformat


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else _at(text)


def _age(seconds: int | None) -> timedelta | None:
    return None if seconds is None else seconds * _SECOND
