"""Where a key stands in a TOML file: the parser of the standard library does not say.

A scanner of text that `tomllib` has already accepted, so it only follows structure and judges
nothing (TOML 1.0: tables, arrays of tables, dotted and quoted keys, inline tables, arrays).
"""

from __future__ import annotations

import re
import tomllib

Location = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]+")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


def locate(text: str, location: Location) -> int | None:
    """Return the line of a key, or of the nearest table around it; None for the whole file.

    Args:
        text: valid TOML.
        location: keys and indexes from the root, as `("hosts", 1, "include")`.
    """
    lines = _Scanner(text).lines()
    for length in range(len(location), 0, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Location, int] = {}
        self._counts: dict[Location, int] = {}

    def lines(self) -> dict[Location, int]:
        """Return the line of every table, key and array element."""
        table: Location = ()
        self._skip_blank()
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip_blank()
        return self._found

    def _header(self) -> Location:
        array = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 2 if array else 1
        path = self._key()
        self._skip_blank()
        self._at += 2 if array else 1
        location = self._last_elements(path[:-1]) + path[-1:]
        for length in range(1, len(location) + 1):
            self._note(location[:length], start)
        if array:
            index = self._counts.get(location, 0)
            self._counts[location] = index + 1
            location = (*location, index)
            self._note(location, start)
        elif location in self._counts:
            location = (*location, self._counts[location] - 1)
        return location

    def _last_elements(self, path: Location) -> Location:
        # `[hosts.x]` after `[[hosts]]` belongs to the last of the hosts.
        location: Location = ()
        for key in path:
            location = (*location, key)
            if location in self._counts:
                location = (*location, self._counts[location] - 1)
        return location

    def _pair(self, table: Location) -> None:
        start = self._at
        location = table
        for key in self._key():
            location = (*location, key)
            self._note(location, start)
        self._skip_blank()
        self._at += 1  # the equals sign
        self._skip_blank()
        self._value(location)

    def _key(self) -> Location:
        keys: list[str] = []
        while True:
            self._skip_blank()
            bare = _BARE_KEY.match(self._text, self._at)
            if bare:
                keys.append(bare.group())
                self._at = bare.end()
            else:
                quoted = self._string()
                keys.append(next(iter(tomllib.loads(f"{quoted} = 0"))))
            self._skip_blank()
            if not self._text.startswith(".", self._at):
                return tuple(keys)
            self._at += 1

    def _value(self, location: Location) -> None:
        opening = self._text[self._at]
        if opening in "\"'":
            self._string()
        elif opening in "[{":
            self._items(location, inline_table=opening == "{")
        else:
            bare = _BARE_VALUE.match(self._text, self._at)
            assert bare is not None, "valid TOML has a value here"
            self._at = bare.end()

    def _items(self, location: Location, *, inline_table: bool) -> None:
        index = 0
        self._at += 1
        self._skip_blank()
        while self._text[self._at] not in "]}":
            if inline_table:
                self._pair(location)
            else:
                self._note((*location, index), self._at)
                self._value((*location, index))
                index += 1
            self._skip_blank()
            if self._text[self._at] == ",":
                self._at += 1
                self._skip_blank()
        self._at += 1

    def _string(self) -> str:
        for form in _STRINGS:
            match = form.match(self._text, self._at)
            if match:
                self._at = match.end()
                return match.group()
        raise AssertionError("valid TOML has a string here")

    def _skip_blank(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        assert blank is not None, "an empty blank matches everywhere"
        self._at = blank.end()

    def _note(self, location: Location, position: int) -> None:
        self._found.setdefault(location, self._text.count("\n", 0, position) + 1)
