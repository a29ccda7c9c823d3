"""The pages of the reference are the code's.

`python -m tests.house.test_reference` writes them anew.
"""

from __future__ import annotations

import re
from argparse import _SubParsersAction

import pytest

from tests.house.reference import commands_page, parser_of, report_page
from tests.house.tree import ROOT
from verifier.cli.main import COMMANDS
from verifier.cli.toolchain import LOCK
from verifier.restic.toolchain import load_lock

PAGES = {"commands.md": commands_page, "report.md": report_page}


@pytest.mark.parametrize("name", PAGES)
def test_page_of_the_reference_is_the_codes(name: str) -> None:
    assert PAGES[name]() == (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_documented_releases_are_those_of_the_lock() -> None:
    page = (ROOT / "docs" / "retention.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d.]+) \| (\S+) \| ([a-z]+) \|$", page, re.MULTILINE)

    assert [(one.version, one.package, one.suite) for one in load_lock(LOCK)] == rows


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is(command: str) -> None:
    parser = parser_of(command)
    inner = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    parts = [parser, *(part for action in inner for part in action.choices.values())]
    silent = [
        f"{part.prog} {action.dest}"
        for part in parts
        for action in part._actions
        if action not in inner and not action.help
    ]

    assert [] == silent
    assert all(part.description for part in parts)


if __name__ == "__main__":
    for page, make in PAGES.items():
        (ROOT / "docs" / page).write_text(make(), encoding="utf-8")
