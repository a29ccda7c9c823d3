"""Every key is documented, and every documented key is real."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter

from verifier.config.models import Config, Retention, key_names, keys_of, table_at
from verifier.config.policy import RULES
from verifier.config.table import Table
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


def documented_defaults() -> list[tuple[str, str]]:
    """Return every documented key with what its row says of its default."""
    text = PAGE.read_text("utf-8")
    said = re.findall(r"^\| `[a-z0-9-]+` \|[^|]+\| ([^|]+) \|", text, re.M)
    return list(zip(documented_keys(text), said, strict=True))


def test_every_key_is_documented_and_every_documented_key_is_real() -> None:
    assert sorted(key_names()) == sorted(documented_keys(PAGE.read_text("utf-8")))


def test_a_key_without_a_row_would_be_noticed() -> None:
    text = PAGE.read_text("utf-8").replace("| `scratch` |", "| `skratch` |")

    assert {"monthly.scratch", "monthly.skratch"} == set(key_names()) ^ set(documented_keys(text))


def default_problem(key: str, said: str) -> str | None:
    """Return what is wrong with the default that a row of the page tells; none if nothing is."""
    *tables, name = key.split(".")
    table = table_at(tuple(tables)) if tables else Config
    assert table is not None
    field = next(field for field in table.model_fields.values() if field.alias == name)
    if field.is_required() or said == "required":
        # What the environment fills is the model's to require all the same.
        good = field.is_required() and said in {"required", "`RESTIC_REPOSITORY`"}
        return None if good else f"{key} is {said}"
    value = field.get_default(call_default_factory=True)
    literal = re.fullmatch(r'`("[^`]*"|[0-9]+|true|false)`', said)
    if said == "none":
        return None if not value or isinstance(value, Table) else f"{key} is {value}"
    if literal is None:
        # Another key, a variable, or words: what is taken in its place is not the model's to say.
        return None
    kind = TypeAdapter(Annotated[field.annotation, None, *field.metadata])
    meant = kind.validate_python(tomllib.loads(f"it = {literal[1]}")["it"])
    return None if meant == value else f"{key} is {value}, and {meant} on the page"


def test_documented_defaults_are_the_models() -> None:
    problems = [default_problem(key, said) for key, said in documented_defaults()]

    assert [] == [problem for problem in problems if problem]
    assert len(problems) == len(key_names())


@pytest.mark.parametrize(
    ("key", "said"),
    [("history.keep", '`"1831d"`'), ("hosts.name", "none"), ("hosts.port", "required"),
     ("sinks.attempts", "none"), ("sinks.journal", "`true`")],
)  # fmt: skip
def test_another_default_would_be_noticed(key: str, said: str) -> None:
    assert default_problem(key, said)


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
