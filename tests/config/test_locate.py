"""The line of every key, in every form that TOML has for one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.config.locate import Location, locate

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"

TEXT = '''\
# [not.a.table]
title = "x # [no] comment" # = comment
a.b . "c d" = 1
[[hosts]]
name = "one"
include = [
  "[x]", # "y"
  'it''s',
  ["deep", { k = 1, l = [ 2 ] }],
]
[hosts.sub]
text = """
[[hosts]]
"quoted" \\""" still
""""
raw = \'\'\'
x = 1\'\'\'\'
[[hosts]]
name = 'two'
when = 2024-01-01 10:00:00
[[hosts.down]]
at = 1.5e3
[[hosts.down]]
at = -inf
[ table . "with.dot" ]
empty = {}
none = []
'''.replace("'it''s'", "'its'")


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("title",), 2),
        (("a", "b", "c d"), 3),
        (("hosts", 0), 4),
        (("hosts", 0, "name"), 5),
        (("hosts", 0, "include"), 6),
        (("hosts", 0, "include", 0), 7),
        (("hosts", 0, "include", 1), 8),
        (("hosts", 0, "include", 2, 1, "l", 0), 9),
        (("hosts", 0, "sub"), 11),
        (("hosts", 0, "sub", "text"), 12),
        (("hosts", 0, "sub", "raw"), 16),
        (("hosts", 1), 18),
        (("hosts", 1, "name"), 19),
        (("hosts", 1, "when"), 20),
        (("hosts", 1, "down", 0, "at"), 22),
        (("hosts", 1, "down", 1, "at"), 24),
        (("table", "with.dot", "empty"), 26),
        (("table", "with.dot", "none"), 27),
    ],
)
def test_a_key_stands_where_it_stands(location: Location, line: int) -> None:
    tomllib.loads(TEXT)

    assert line == locate(TEXT, location)


def test_what_is_not_there_is_looked_for_around_it() -> None:
    assert 18 == locate(TEXT, ("hosts", 1, "absent", "deeper"))
    assert locate(TEXT, ("absent",)) is None
    assert locate(TEXT, ()) is None


def places(value: Any, at: Location = ()) -> Iterator[Location]:
    """Yield the place of every value, as tomllib parsed it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


@pytest.mark.parametrize("text", [TEXT, EXAMPLE.read_text("utf-8")], ids=["forms", "example"])
def test_every_place_that_the_parser_knows_has_a_line(text: str) -> None:
    """Without its own line, a place would get the one of the table around it."""
    found = list(places(tomllib.loads(text)))

    assert len(found) > 20
    for place in found:
        line = locate(text, place)
        assert line is not None
        key = next((part for part in reversed(place) if isinstance(part, str)), "")
        around = "\n".join(text.split("\n")[max(0, line - 5) : line])
        assert key in around
