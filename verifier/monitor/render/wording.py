"""How names, counts, sizes, spans and times are written, the same in every rendering."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_IRREGULAR = {
    "repository": "repositories",
    "copy": "copies",
    "channel or sink": "channels or sinks",
}

DAY_S = 86400.0
YEAR_DAYS = 365.2425


def printable(text: str) -> str:
    """Return the text with every character a terminal could obey or hide written as an escape.

    File names are bytes: line breaks, escape sequences, reversed writing and undecodable bytes
    (as surrogates, the way Python carries them) are all legal in them.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float) -> str:
    """Write a number with its thousands apart; whole where it is whole."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def count(value: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it must be."""
    plural = _IRREGULAR.get(noun, f"{noun}s")
    return f"{number(value)} {noun if value == 1 else plural}"


def size(size_bytes: float) -> str:
    """Write a number of bytes in binary units, as restic does."""
    unit = 0
    while abs(size_bytes) >= 1024 and unit < len(_SIZES) - 1:
        size_bytes /= 1024
        unit += 1
    digits = 0 if size_bytes >= 100 or float(size_bytes).is_integer() else 1
    return f"{size_bytes:,.{digits}f} {_SIZES[unit]}"


def span(seconds: float) -> str:
    """Write a length of time in the one or two units that matter at its size."""
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return _two(seconds, 60, "min", "s", 1)
    if seconds < DAY_S:
        return _two(seconds, 3600, "h", "min", 60)
    if seconds < 14 * DAY_S:
        return _two(seconds, DAY_S, "day", "h", 3600)
    if seconds < 2 * YEAR_DAYS * DAY_S:
        return count(round(seconds / DAY_S), "day")
    return f"{seconds / DAY_S / YEAR_DAYS:.1f} years"


def _two(seconds: float, big_s: float, big: str, small: str, small_s: float) -> str:
    # Rounded to the small unit first, or 59.9 minutes would read "60 min".
    whole = round(seconds / small_s) * small_s
    bigs, rest = divmod(whole, big_s)
    head = count(int(bigs), big) if big == "day" else f"{bigs:.0f} {big}"
    return f"{head} {rest / small_s:.0f} {small}" if rest else head


def measured(name: str, value: object) -> tuple[str, str]:
    """Write a figure whose unit stands at the end of its name (`cycle_mean_s`, `pack_bytes`)."""
    stem, _, unit = name.rpartition("_")
    label = (stem if stem and unit in {"s", "bytes"} else name).replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return name.replace("_", " "), "none" if value is None else str(value)
    if unit == "s":
        return label, span(value)
    return label, size(value) if unit == "bytes" else number(value)


def moment(text: str) -> str:
    """Write an instant with its weekday and its own offset; a text that is none stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    offset = at.strftime("%z")
    zone = f" {offset[:3]}:{offset[3:5]}" if offset else ""
    return f"{_WEEKDAYS[at.weekday()]} {at:%Y-%m-%d %H:%M}{zone}"


def group_name(host: str, paths: Iterable[str], tags: Iterable[str] = ()) -> str:
    """Write a group's name as restic's users know it; a dimension not grouped by is left out."""
    labels = ",".join(tags)
    parts = [host, ", ".join(paths), f"[{labels}]" if labels else ""]
    return " ".join(part for part in parts if part) or "all snapshots"
