"""What is known of one subject, and of the incident that is open on it: a plain value.

It is all that an evaluation needs to know of those before it, and goes through JSON unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Level = Literal["warning", "alarm"]


@dataclass(frozen=True, slots=True)
class Incident:
    """A subject whose last success is too old. There is never more than one of a subject.

    Attributes:
        alarmed_at: when it became an alarm.
        flapping: it came soon after the one before.
        well_at: since when its subject has been well again, in a flapping one.
        told: the level that people know of; none while a silence has kept it from them.
        told_at: when they last heard of it.
    """

    opened_at: datetime
    alarmed_at: datetime | None = None
    flapping: bool = False
    well_at: datetime | None = None
    told: Level | None = None
    told_at: datetime | None = None

    @property
    def level(self) -> Level:
        """The highest level that it has reached."""
        return "alarm" if self.alarmed_at else "warning"


@dataclass(frozen=True, slots=True)
class Watch:
    """One subject as the last evaluation left it. Instants are in UTC.

    Attributes:
        looked_at: up to when everything has been told.
        good_at: when the last success began; until there is one, when the watch began.
        never: there has been none, so that the first one heard of counts, however old it is.
        failed_at: when the last failure was known.
        resolved_at: when the last incident ended.
    """

    subject: str
    looked_at: datetime
    good_at: datetime
    failed_at: datetime | None = None
    resolved_at: datetime | None = None
    incident: Incident | None = None
    never: bool = False


def begin_watch(subject: str, at: datetime) -> Watch:
    """Return the watch on a subject of which nothing is known; its age counts from now on."""
    begun_at = at.astimezone(UTC)
    return Watch(subject, begun_at, begun_at, never=True)


def render_watch(watch: Watch) -> dict[str, Any]:
    """Return a watch in JSON's shape."""
    incident = _rendered(asdict(watch.incident)) if watch.incident else None
    return {**_rendered(asdict(watch)), "incident": incident}


def parse_watch(stored: Mapping[str, Any]) -> Watch:
    """Return what `render_watch` was given.

    Raises:
        KeyError, TypeError, ValueError: it is of another shape.
    """
    incident = stored["incident"]
    parsed = Incident(**_parsed(incident)) if incident is not None else None
    return Watch(**{**_parsed(stored), "incident": parsed})


def _rendered(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


def _parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: datetime.fromisoformat(value) if key.endswith("_at") and value is not None else value
        for key, value in values.items()
    }
