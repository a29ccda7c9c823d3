"""What may be asked in a query: one table that requests are read by and the API is described by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal
from urllib.parse import parse_qsl

_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""Days outside are as good as none: no history reaches there, and no arithmetic leaves them."""


class Unfit(Exception):
    """A value that cannot be obeyed; its text says which, and what may stand there."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name in a query.

    Attributes:
        kind: `day` is a date as 2026-11-28; it begins at midnight in UTC.
        least, most: of an integer.
        default: of an integer.
    """

    name: str
    about: str
    kind: Literal["integer", "text", "day"]
    required: bool = False
    least: int = 0
    most: int = 0
    default: int = 0
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, object]:
        """Return its JSON Schema."""
        if self.kind == "integer":
            bounds = {"minimum": self.least, "maximum": self.most, "default": self.default}
            return {"type": "integer", **bounds}
        if self.kind == "day":
            return {"type": "string", "format": "date"}
        return {"type": "string", **({"enum": list(self.choices)} if self.choices else {})}

    def described(self) -> dict[str, object]:
        """Return it as OpenAPI has it."""
        return {
            "name": self.name,
            "in": "query",
            "description": self.about,
            "required": self.required,
            "schema": self.schema(),
        }


HOST = Parameter("host", "the name of a host, as backups carry it", "text")
ONE_HOST = Parameter("host", HOST.about, "text", required=True)
SINCE = Parameter("since", "from this day on", "day")
UNTIL = Parameter("until", "before this day", "day")
LIMIT = Parameter("limit", "at most so many", "integer", least=1, most=1_000, default=100)
OFFSET = Parameter("offset", "after so many", "integer", least=0, most=1_000_000_000, default=0)
KIND = Parameter("kind", "a kind of report, as `monthly`", "text")


_VALUES = 50
"""How many values are looked at; nothing takes more than a handful."""


def parse_query(raw: bytes) -> Query:
    """Return a query string's values; of a name that comes twice, the last.

    Bytes that are no UTF-8 come as they do from file names, so that they match those.

    Raises:
        Unfit: there are very many of them.
    """
    text = raw.decode("latin-1")
    if text.count("&") >= _VALUES:
        raise Unfit("that is more than anything here can be asked")
    return Query(dict(parse_qsl(text, keep_blank_values=True, errors="surrogateescape")))


class Query:
    """The values of one request's query.

    Args:
        values: as they were sent.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, parameter: Parameter) -> str | None:
        """Return a text; None where it is not asked.

        Raises:
            Unfit: it is none of those that may stand there, or it is required and missing.
        """
        value = self._values.get(parameter.name)
        if value is None and parameter.required:
            raise Unfit(f"{parameter.name} is missing: {parameter.about}")
        if value is not None and parameter.choices and value not in parameter.choices:
            raise Unfit(f"{parameter.name} is one of {', '.join(parameter.choices)}")
        return value

    def integer(self, parameter: Parameter) -> int:
        """Return a whole number.

        Raises:
            Unfit: it is none, or out of its bounds.
        """
        value = self._values.get(parameter.name)
        if value is None:
            return parameter.default
        digits = value.removeprefix("-")
        fits = value.isascii() and digits.isdigit() and len(digits) <= 18
        if not fits or not parameter.least <= int(value) <= parameter.most:
            bounds = f"{parameter.least} to {parameter.most}"
            raise Unfit(f"{parameter.name} is a whole number from {bounds}")
        return int(value)

    def day(self, parameter: Parameter) -> datetime | None:
        """Return the beginning of a day in UTC; None where it is not asked.

        Raises:
            Unfit: it is no date.
        """
        value = self._values.get(parameter.name)
        if value is None:
            return None
        try:
            day = date.fromisoformat(value) if len(value) == 10 else None
        except ValueError:
            day = None
        if day is None:
            raise Unfit(f"{parameter.name} is a date, as 2026-11-28")
        year = min(max(day.year, _FIRST_YEAR), _LAST_YEAR)
        if year != day.year:
            day = date(year, 1, 1)
        return datetime.combine(day, time(), UTC)
