"""Every key is documented, and every documented key is real."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from verifier.config.models import Retention, key_names, keys_of, table_at
from verifier.config.policy import RULES
from verifier.core.policy import Policy

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def documented_keys(text: str) -> list[str]:
    """Return every key that has a row in a table of the page, dotted."""
    found, table = [], ""
    for line in text.splitlines():
        heading = re.fullmatch(r"##+ (?:`\[+([a-z.]+)\]+`|The file itself)", line)
        row = re.match(r"\| `([a-z0-9-]+)` \|", line)
        if heading:
            table = f"{heading[1]}." if heading[1] else ""
        elif row:
            found.append(table + row[1])
    return found


def test_every_key_is_documented_and_every_documented_key_is_real() -> None:
    assert sorted(key_names()) == sorted(documented_keys(PAGE.read_text("utf-8")))


def test_a_key_without_a_row_would_be_noticed() -> None:
    text = PAGE.read_text("utf-8").replace("| `scratch` |", "| `skratch` |")

    assert {"monthly.scratch", "monthly.skratch"} == set(key_names()) ^ set(documented_keys(text))


def test_every_rule_of_a_policy_can_be_configured() -> None:
    assert set(RULES) == {key for key in keys_of(Retention) if key.startswith("keep-")}
    assert len(fields(Policy)) == len(RULES)


@pytest.mark.parametrize(
    ("location", "key"),
    [(("hosts", 0), "include"), (("simulate", "down", 3), "from"), (("retention",), "keep-last")],
)
def test_a_table_is_found_by_its_place(location: tuple[str | int, ...], key: str) -> None:
    table = table_at(location)

    assert table is not None
    assert key in keys_of(table)


def test_there_is_no_table_where_there_is_none() -> None:
    assert table_at(("nowhere", 0, "at-all")) is None
