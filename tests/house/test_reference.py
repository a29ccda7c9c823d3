"""The pages of the reference are the code's.

`python -m tests.house.test_reference` writes them anew.
"""

from __future__ import annotations

import pytest

from tests.house.reference import commands_page, parser_of, report_page
from tests.house.tree import ROOT
from verifier.cli.main import COMMANDS

PAGES = {"commands.md": commands_page, "report.md": report_page}


@pytest.mark.parametrize("name", PAGES)
def test_page_of_the_reference_is_the_codes(name: str) -> None:
    assert PAGES[name]() == (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is(command: str) -> None:
    silent = [action.dest for action in parser_of(command)._actions if not action.help]

    assert [] == [name for name in silent if name not in {"action", "command"}]


if __name__ == "__main__":
    for page, make in PAGES.items():
        (ROOT / "docs" / page).write_text(make(), encoding="utf-8")
