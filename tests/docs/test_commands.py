"""Every command of ours that a page shows is one, and so is every option of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, console_lines, our_spans, our_words
from tests.house.reference import parser_of
from verifier.cli.main import COMMANDS
from verifier.core.errors import UsageError


def _problem(words: list[str]) -> str:
    """Return what is wrong with a command line; nothing where the real parser takes it."""
    name = next((n for k in (2, 1) if (n := " ".join(words[:k])) in COMMANDS), None)
    if words[:1] in (["--help"], ["--version"]):
        return ""
    if name is None:
        return f"there is no command {words[:1]}"
    try:
        parser_of(name).parse_args(words[len(name.split()) :])
    except UsageError as error:
        return error.message
    except SystemExit:
        return ""
    return ""


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Return every option of a parser, and of the parts of it."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                found |= _options(part)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shown_commands_are_taken_by_the_parser(page: Path) -> None:
    wrong = [
        (line.place, problem)
        for line in console_lines(page)
        for words in our_words(line.text)
        if (problem := _problem(words))
    ]

    assert [] == wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_commands_and_options_are_real(page: Path) -> None:
    """In running text a command is often named without all that it needs: names alone count."""
    wrong = []
    for place, words in our_spans(page):
        name = next((n for k in (2, 1) if (n := " ".join(words[:k])) in COMMANDS), None)
        if name is None:
            if words[0].strip("…") and not words[0].startswith(("-", "COMMAND")):
                wrong.append((place, f"no command {words[0]!r}"))
            continue
        ours = words[: words.index("--")] if "--" in words else words
        named = {word.partition("=")[0] for word in ours if word.startswith("--")}
        wrong += [(place, option) for option in sorted(named - _options(parser_of(name)))]

    assert [] == wrong


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("restic-verify plan --repo /mnt/r --keep-daily 30", True),
        ("restic snapshots --json | restic-verify plan --snapshots - --keep-daily 3", True),
        ("restic-verify clock run --at 2031-01-01T04:00:00Z -- date --utc", True),
        ("restic-verify report verify folder --key p.pem \\\n  --last x  # the end", True),
        ("restic-verify --version", True),
        ("restic-verify plan --repos /mnt/r", False),
        ("restic-verify plann", False),
        ("restic-verify report verify folder", False),
        ("true && restic-verify clock turn", False),
    ],
)
def test_wrong_line_is_seen(line: str, right: bool) -> None:
    assert right is not any(map(_problem, our_words(line)))
