"""The kinds of values in `verify.toml` that TOML itself does not know, and how each is refused.

Every refusal carries what was expected and a remedy; `verifier.config.load` adds file and line.
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Strict
from pydantic_core import PydanticCustomError

UNFIT = "unfit"
"""The type of every refusal that is made here, as pydantic reports it."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_SIZE = re.compile(r"([0-9]{1,30})\s*([KMGTPE]?)(?:iB)?|([0-9]{1,30})\s*B")
_UNITS = " KMGTPE"
_SPAN = re.compile(r"([0-9]{1,9})\s*(s|min|h|d)")
_SPAN_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_SPAN_MAX_S = 10 * 366 * 86_400
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE_MAX_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class DateRange:
    """Civil days from the first to the last, both in it."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that is kept elsewhere: one of the two is given.

    Attributes:
        file: its first line is the secret.
        command: words of a command that prints it.
    """

    file: str = ""
    command: tuple[str, ...] = ()


def unfit(expected: str, remedy: str, *, key: str = "") -> PydanticCustomError:
    """Return the refusal of a value, or of the key of a table that has been looked at whole."""
    # The template takes braces, and remedies may hold any text: all of it travels as context.
    return PydanticCustomError(UNFIT, UNFIT, {"expected": expected, "remedy": remedy, "key": key})


def _plain(value: str) -> str:
    if not value:
        raise unfit("a text that is not empty", "write a value, or remove the line")
    if "\0" in value:
        raise unfit("a text without NUL characters", "remove \\u0000 from it")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise unfit(
            "a name of letters, digits, `.`, `_` and `-`", "write a name as web1 or db.example.org"
        )
    return value


def _absolute(value: str) -> str:
    if not _plain(value).startswith("/"):
        raise unfit("a full path", f"write it from the root, as /{value.removeprefix('./')}")
    return value


def _clock_time(value: Any) -> time:
    if isinstance(value, time) and not (value.second or value.microsecond):
        return value
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise unfit(
            "a time of day from 00:00 to 23:59", 'write it with two digits each, as "04:00"'
        )
    return time(int(match[1]), int(match[2]))


# Every file of the database is opened for it.
@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _zone(value: str) -> str:
    known = _zones()
    if value in known:
        return value
    by_lower = {name.lower(): name for name in known}
    short = {name.rsplit("/", 1)[-1].lower(): name for name in sorted(known)}
    wanted = value.lower().replace(" ", "_")
    near = by_lower.get(wanted) or short.get(wanted)
    if near is None:
        close = difflib.get_close_matches(wanted, [*by_lower, *short], n=1, cutoff=0.6)
        near = (by_lower.get(close[0]) or short[close[0]]) if close else None
    remedy = f"did you mean {near!r}?" if near else "write one as America/Los_Angeles or UTC"
    raise unfit("a time zone of the tz database", remedy)


def _size_bytes(value: Any) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise unfit("a size with its unit", 'write it as "500MiB", "50GiB" or "2TiB"')
    number, unit = int(match[1] or match[3]), match[2] or " "
    size_bytes = number << (10 * _UNITS.index(unit))
    if not 0 < size_bytes <= _SIZE_MAX_BYTES:
        raise unfit("a size from 1 B to 1 EiB", 'write it as "500MiB", "50GiB" or "2TiB"')
    return size_bytes


def _span(value: Any) -> timedelta:
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    seconds = int(match[1]) * _SPAN_UNITS[match[2]] if match else 0
    if not 0 < seconds <= _SPAN_MAX_S:
        raise unfit(
            "a span of time, at most ten years", 'write it as "60s", "90min", "28h" or "35d"'
        )
    return timedelta(seconds=seconds)


def _sha256(value: str) -> str:
    if not _SHA256.fullmatch(value.lower()):
        raise unfit("a SHA-256 in 64 hexadecimal digits", "print it with `sha256sum FILE`")
    return value.lower()


def _executor(value: str) -> str:
    if value != "local" and not re.fullmatch(r"dask://[^/\s:]+:[0-9]{1,5}", value):
        raise unfit("`local` or a Dask scheduler", 'write "local", or "dask://host:8786"')
    return value


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(_plain(value))
        named = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        named = False
    if not named or parts.scheme not in {"http", "https"} or any(c.isspace() for c in value):
        raise unfit("a URL of http or https", "write it as https://logs.example.org:8443")
    if parts.username or parts.password:
        raise unfit("a URL without a password", "take it out, and name a secret beside it")
    return value.rstrip("/")


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
        fits = port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
    except ValueError:
        fits = False
    if not fits:
        raise unfit("an address and a port", 'write it as "127.0.0.1:8642", or "[::1]:8642"')
    return value


def _secret(value: Any) -> Any:
    if isinstance(value, Secret):
        return value
    match value:
        case {"file": str(file), **others} if not others:
            return Secret(file=_absolute(file))
        case {"command": [*words], **others} if not others and words:
            if all(isinstance(word, str) for word in words):
                return Secret(command=tuple(map(_plain, words)))
    remedy = 'write { file = "/etc/restic-verify/token" }, or { command = ["pass", "show", "x"] }'
    raise unfit("where a secret is kept: one file, or one command as a list of words", remedy)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is not None and not value.microsecond:
        return value
    remedy = "write it without quotes and with its UTC offset, as 2024-03-01T04:00:00-08:00"
    raise unfit("an instant in whole seconds", remedy)


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise unfit("a date", "write it without quotes and without a time, as 2024-03-01")


def _reckoned(day: date) -> date:
    if not 1970 <= day.year < 3000:
        raise unfit("a day of the years 1970 to 2999", "write one that every calendar can reckon")
    return day


def _date_range(value: Any) -> DateRange:
    if isinstance(value, date) and not isinstance(value, datetime):
        return DateRange(value, value)
    try:
        first, _, last = value.partition("..")
        days = DateRange(date.fromisoformat(first), date.fromisoformat(last or first))
    except (AttributeError, ValueError):
        raise unfit("a date or a range of dates", 'write "2024-03-03..2024-03-09"') from None
    if days.last < days.first:
        swapped = f'write "{days.last}..{days.first}"'
        raise unfit("a range whose first day comes first", swapped)
    return days


def _tuple(value: Any) -> Any:
    # TOML arrays come as lists; the models are frozen through and through.
    return tuple(value) if isinstance(value, list) else value


def _distinct(what: str) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        for index, value in enumerate(values):
            if value in values[:index]:
                raise unfit(f"every {what} once", f"remove the second {value}")
        return values

    return check


def _filled(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise unfit("at least one element", "name one, or nothing at all would be done")
    return values


Text = Annotated[str, AfterValidator(_plain)]
Name = Annotated[str, AfterValidator(_name)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]
ZoneName = Annotated[str, AfterValidator(_zone)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
SizeBytes = Annotated[int, BeforeValidator(_size_bytes)]
Span = Annotated[timedelta, BeforeValidator(_span)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
ExecutorName = Annotated[str, AfterValidator(_executor)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Listen = Annotated[str, AfterValidator(_listen)]
SecretSource = Annotated[Secret, BeforeValidator(_secret)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Day = Annotated[date, BeforeValidator(_day)]
ReckonedDay = Annotated[Day, AfterValidator(_reckoned)]
DayRange = Annotated[DateRange, BeforeValidator(_date_range)]
Texts = Annotated[
    tuple[Text, ...], Strict(), BeforeValidator(_tuple), AfterValidator(_distinct("pattern"))
]
Words = Annotated[tuple[Text, ...], Strict(), BeforeValidator(_tuple), AfterValidator(_filled)]
Paths = Annotated[
    tuple[AbsolutePath, ...],
    BeforeValidator(_tuple),
    AfterValidator(_distinct("path")),
    AfterValidator(_filled),
]
ClockTimes = Annotated[
    tuple[ClockTime, ...],
    BeforeValidator(_tuple),
    AfterValidator(_distinct("time")),
    AfterValidator(_filled),
]
Names = Annotated[
    tuple[Name, ...], Strict(), BeforeValidator(_tuple), AfterValidator(_distinct("name"))
]
DayRanges = Annotated[tuple[DayRange, ...], BeforeValidator(_tuple)]
