"""The finding kinds in the documentation are the code's, and each has a test and a remedy.

`python -m tests.house.test_findings` writes the page anew, down to what to do, which is written by
hand: several kinds share a remedy.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.house.tree import ROOT
from verifier.core.finding import KINDS, Verdict

PAGE = ROOT / "docs" / "findings.md"

TEXT = """\
# Findings and verdicts

Everything that restic-verify sees is a finding of one of these kinds. A kind has one severity; the
worst finding of a report makes its verdict, and the verdict is the exit code. A look that could not
be taken is UNKNOWN and never counts as passed, and so is a look at nothing.

| verdict | exit code | outranks |
|---|---|---|
{verdicts}

Two more exit codes are no verdicts: 64 for wrong usage or configuration, and 128 + the
signal's number for a run that a signal ended (130 SIGINT, 143 SIGTERM, 129 SIGHUP).
[What to do](#what-to-do) about each kind stands below.

| kind | severity | meaning |
|---|---|---|
{kinds}
"""

REMEDIES = "\n## What to do\n"
"""Begins what is written by hand."""

SILENT = ("house", "monitor")
"""Tests that prove no detection: these list kinds, those show whatever they are given."""


def page() -> str:
    """Return docs/findings.md as the code has it."""
    by_rank = sorted(Verdict, key=lambda verdict: verdict.rank, reverse=True)
    verdicts = [
        f"| {verdict.name} | {verdict.value} | "
        f"{', '.join(lower.name for lower in by_rank[place + 1 :]) or 'nothing'} |"
        for place, verdict in enumerate(by_rank)
    ]
    kinds = [
        f"| `{name}` | {kind.severity.name} | {kind.meaning} |" for name, kind in KINDS.items()
    ]
    return TEXT.format(verdicts="\n".join(verdicts), kinds="\n".join(kinds))


def remedies() -> str:
    """Return the part of the page that is written by hand."""
    _, begin, rest = PAGE.read_text(encoding="utf-8").partition(REMEDIES)
    return begin + rest


def remedied(text: str) -> Counter[str]:
    """Return how often each kind stands in a row that says what to do."""
    rows = re.findall(r"^\|([^|]+)\|[^|]*\w[^|]*\|$", text, re.MULTILINE)
    return Counter(kind for cell in rows for kind in re.findall(r"`([^`]+)`", cell))


def test_documented_kinds_are_the_codes() -> None:
    assert page() + remedies() == PAGE.read_text(encoding="utf-8")


def test_every_kind_has_one_remedy() -> None:
    assert Counter(dict.fromkeys(KINDS, 1)) == remedied(remedies())


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("| `lost`, `damaged` | Stop. |\n", {"lost": 1, "damaged": 1}),
        ("| `lost` | |\n", {}),
        ("| `lost` | a |\n| `lost` | b |\n", {"lost": 2}),
    ],
)
def test_missing_remedy_is_seen(text: str, kinds: dict[str, int]) -> None:
    assert Counter(kinds) == remedied(text)


@pytest.fixture(scope="module")
def tests_text() -> str:
    tests = ROOT / "tests"
    paths = [path for path in tests.rglob("*.py") if path.relative_to(tests).parts[0] not in SILENT]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.parametrize("kind", KINDS)
def test_kind_has_a_test(kind: str, tests_text: str) -> None:
    assert f'"{kind}"' in tests_text, f"no test mentions a finding of kind {kind}"


if __name__ == "__main__":
    PAGE.write_text(page() + remedies(), encoding="utf-8")
