"""The tutorial prints what its page says, command by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import Line, console_lines
from tests.docs.tutorial import PAGE, SYSTEM, normal, rewritten, run


@pytest.mark.heavy
def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    lines = list(console_lines(PAGE))
    outputs = run(tmp_path, lines)

    assert len(lines) == len(outputs)
    for line, output in zip(lines, outputs, strict=True):
        assert (line.place, normal(line.output)) == (line.place, normal(output))


def test_commands_are_run_one_after_the_other_in_one_shell(tmp_path: Path) -> None:
    texts = ["export A=1", "false", "echo $? $A", "cat <<END\n$PWD\nEND"]
    outputs = run(tmp_path, [Line(tmp_path, 1, text, "") for text in texts])

    assert ["", "", "1 1\n", "/home/you/tutorial\n"] == outputs


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("took 1.2 s, 3 files", "took 4 min 2 s, 3 files", True),
        ("took 1.2 s, 3 files", "took 1.2 s, 4 files", False),
        ("OK: 8 of 90 survive", "WARNING: 8 of 90 survive", False),
        ("web1  2099a2b0  115 KiB", "web1  00000001     9.1 MiB", True),
        ("Sat 2026-11-28 04:20 +00:00", "Tue 2027-01-05 23:59 -08:00", True),
        ("2024-01-01 to 2024-03-30", "2024-01-01 to 2024-03-29", False),
    ],
)
def test_what_may_differ_is_left_out_and_nothing_else(said: str, printed: str, same: bool) -> None:
    assert same is (normal(said) == normal(printed))


def test_page_is_written_anew_in_place(tmp_path: Path) -> None:
    text = "```console\n$ a\nold\n$ b\n```\n\nwords\n\n```console\n$ a\n```\n"
    with_ours = "2\nWith: os Linux 6.1-ours, python 3\n"
    page = tmp_path / "page.md"
    page.write_text(text)
    written = rewritten(text, console_lines(page), ["1\n", with_ours, ""])

    assert written == text.replace("old\n", "1\n").replace(
        "$ b\n", f"$ b\n2\nWith: os {SYSTEM}, python 3\n"
    )
