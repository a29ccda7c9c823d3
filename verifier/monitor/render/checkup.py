"""A check-up in lines: subject by subject, each answer with its sign, each trouble with its remedy.

Signs are those that a terminal can show; where it knows ASCII alone they are words in brackets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import wrap

from verifier.monitor.render.drill import Table
from verifier.monitor.render.envelope import CheckRecord
from verifier.monitor.render.wording import count, number, printable

WIDTH = 96
"""Of a line: what is longer goes on below itself."""

_SIGNS = {"ok": "✓", "warning": "!", "failed": "✗", "unknown": "?", "skipped": "·"}
_PLAIN = {"ok": "[ok]", "warning": "[!!]", "failed": "[XX]", "unknown": "[??]", "skipped": "[--]"}
_CODES = {"ok": "32", "warning": "33", "failed": "31", "unknown": "35", "skipped": "2"}

SIGN_COLOURS = {
    signs[status]: code for signs in (_SIGNS, _PLAIN) for status, code in _CODES.items()
}
"""A sign that begins a line -> its terminal code."""


def checkup_headline(checks: Sequence[CheckRecord]) -> str:
    """Return how much was asked, and how much is well."""
    asked = [check for check in checks if check["status"] != "skipped"]
    well = sum(check["status"] == "ok" for check in asked)
    subjects = len({check["subject"] for check in checks})
    return (
        f"{number(well)} of {count(len(asked), 'check')} of {count(subjects, 'subject')} are well"
    )


def checkup_lines(checks: Sequence[CheckRecord], *, plain: bool = False) -> Iterator[str]:
    """Yield the lines, an empty one before each subject."""
    signs = _PLAIN if plain else _SIGNS
    for subject, group in groupby(checks, key=lambda check: check["subject"]):
        yield ""
        yield printable(subject[:1].upper() + subject[1:])
        told = list(group)
        width = max(len(printable(check["name"])) for check in told)
        for same in _together(told):
            yield from _check(same, signs, width, "->" if plain else "→")


def _together(checks: Sequence[CheckRecord]) -> Iterator[list[CheckRecord]]:
    # What was not asked, all for one reason, is said once.
    for why, group in groupby(checks, key=lambda c: c["saw"] if c["status"] == "skipped" else None):
        if why is None:
            yield from ([check] for check in group)
        else:
            yield list(group)


def checkup_tables(checks: Sequence[CheckRecord]) -> Iterator[Table]:
    """Yield a table a subject, for a page."""
    for subject, group in groupby(checks, key=lambda check: check["subject"]):
        rows = tuple(
            (check["status"], printable(check["name"]), printable(check["saw"]), check["remedy"])
            for check in group
        )
        title = printable(subject[:1].upper() + subject[1:])
        yield Table(title, (("status", "check", "seen", "remedy"), *rows), frozenset())


def _check(
    same: Sequence[CheckRecord], signs: Mapping[str, str], width: int, arrow: str
) -> Iterator[str]:
    check = same[0]
    name = printable(check["name"])
    first = f"  {signs[check['status']]} {name:<{width}}  "
    if len(same) > 1:
        others = ", ".join(printable(other["name"]) for other in same)
        yield from _wrapped(f"{others}: {printable(check['saw'])}", first[: first.index(name)])
        return
    yield from _wrapped(printable(check["saw"]), first)
    if check["remedy"]:
        yield from _wrapped(printable(check["remedy"]), f"{' ' * len(first)}{arrow} ")


def _wrapped(text: str, first: str) -> list[str]:
    # Neither words nor paths are broken: they are there to be copied.
    return wrap(
        text,
        max(WIDTH, len(first) + 40),
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
