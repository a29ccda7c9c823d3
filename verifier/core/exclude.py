"""Exclude patterns: which paths restic leaves out of a backup, decided as restic decides it.

After restic's `internal/filter` and Go's `filepath.Match`, on absolute paths with `/`. Knows the
patterns of `--exclude` alone: not `--iexclude`, `--exclude-if-present` or `--exclude-larger-than`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ANY_PARTS = "(?:/[^/]+)*"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern as a regular expression to search for in an absolute path.

    Attributes:
        negated: it began with `!`: what it matches is taken in again.
        text: as it was written.
    """

    negated: bool
    regex: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Excludes:
    """The patterns of one host, in order. The last one that matches a path decides."""

    patterns: tuple[Pattern, ...]

    def rejects(self, path: str) -> bool:
        """Say whether restic, having come as far as this path, passes it over."""
        if not any(pattern.negated for pattern in self.patterns):
            return any(re.search(pattern.regex, path) for pattern in self.patterns)
        rejected = False
        for pattern in self.patterns:
            if pattern.negated == rejected and re.search(pattern.regex, path):
                rejected = not pattern.negated
        return rejected

    def excluded(self, path: str, roots: Iterable[str]) -> bool:
        """Say whether restic leaves the path out when it backs up these roots.

        A rejected directory is not entered, so no `!` brings back what is below it. Directories
        above a root are never asked.
        """
        if not self.patterns:
            return False
        within = [root.rstrip("/") for root in roots if _covers(root, path)]
        return all(any(map(self.rejects, _descent(root, path))) for root in within or [path])


def _covers(root: str, path: str) -> bool:
    root = root.rstrip("/")
    return path == root or path.startswith(root + "/")


def _descent(root: str, path: str) -> Iterable[str]:
    if root:
        yield root
    at = len(root) + 1
    while 0 < at <= len(path):
        end = path.find("/", at)
        yield path if end < 0 else path[:end]
        at = end + 1 if end >= 0 else 0


def parse_excludes(texts: Iterable[str]) -> Excludes:
    """Parse patterns as `--exclude` takes them; empty ones are passed over, as restic does.

    Raises:
        ValueError: a pattern is malformed, with a sentence for the user.
    """
    return Excludes(tuple(_parse(text) for text in texts if text))


def _parse(text: str) -> Pattern:
    negated = text.startswith("!")
    cleaned = posixpath.normpath(text.removeprefix("!"))
    anchor = r"\A" if cleaned.startswith("/") else ""
    parts = [part for part in cleaned.split("/") if part] or ["**"]
    try:
        regex = "".join(_regex(part, parts[at + 1 :], anchor) for at, part in enumerate(parts))
    except ValueError as error:
        raise ValueError(f"malformed exclude pattern {text!r}: {error}") from None
    return Pattern(negated, rf"{anchor}{regex}(?=/|\Z)", text)


def _regex(part: str, following: Sequence[str], anchor: str) -> str:
    if part != "**":
        return "/" + _translate(part)
    # restic wants one component for every later `**` while it fills in this one, though that one
    # may then stand for none. An unrooted pattern has the room that its first offset leaves.
    room = len(following) if anchor and "**" in following else 0
    return _ANY_PARTS + (f"(?=(?:/[^/]+){{{room}}})" if room else "")


def _translate(part: str) -> str:
    """Translate one component of a pattern, by the rules of Go's `filepath.Match`."""
    found = []
    at = 0
    while at < len(part):
        letter = part[at]
        at += 1
        if letter == "*":
            found.append("[^/]*")
        elif letter == "?":
            found.append("[^/]")
        elif letter == "[":
            regex, at = _class(part, at)
            found.append(regex)
        elif letter == "\\":
            letter, at = _letter(part, at - 1)
            found.append(re.escape(letter))
        else:
            found.append(re.escape(letter))
    return "".join(found)


def _class(part: str, at: int) -> tuple[str, int]:
    # Only `^` negates; `!` is a letter like any other. A range that runs backwards holds nothing.
    negated = part.startswith("^", at)
    at += negated
    ranges: list[str] = []
    seen = False
    while not (seen and part.startswith("]", at)):
        low, at = _class_letter(part, at)
        high = low
        if part.startswith("-", at):
            high, at = _class_letter(part, at + 1)
        seen = True
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    inside = "".join(ranges)
    if negated:
        return f"[^/{inside}]", at + 1
    return (f"(?!/)[{inside}]" if inside else r"(?!)"), at + 1


def _class_letter(part: str, at: int) -> tuple[str, int]:
    if at >= len(part):
        raise ValueError("a [ is not closed")
    if part[at] in "-]":
        raise ValueError(f"{part[at]!r} in [...] needs a backslash")
    letter, at = _letter(part, at)
    if at >= len(part):
        raise ValueError("a [ is not closed")
    return letter, at


def _letter(part: str, at: int) -> tuple[str, int]:
    if part[at] != "\\":
        return part[at], at + 1
    if at + 1 >= len(part):
        raise ValueError("nothing follows the backslash")
    return part[at + 1], at + 2
