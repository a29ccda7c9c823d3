"""The pages as tests read them: their console blocks, and what of our commands is named in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.glob("*.md")))

_FENCE = re.compile(r"^```(?P<kind>[\w{}-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`(restic-verify [^`\n]+(?:\n[^`\n]+)?)`")
_OURS = "restic-verify"


@dataclass(frozen=True)
class Line:
    """A command that a page shows, with what it is said to print.

    Attributes:
        number: of its line in the page, from 1.
        text: without the `$ `, continued lines joined by their backslashes.
    """

    page: Path
    number: int
    text: str
    output: str

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page.name}:{self.number}"


def console_lines(page: Path) -> Iterator[Line]:
    """Yield the commands of a page's console blocks, which begin with `$ `."""
    text = page.read_text(encoding="utf-8")
    for block in _FENCE.finditer(text):
        if block["kind"] == "console":
            yield from _lines(page, block["text"], text[: block.start("text")].count("\n") + 1)


def _lines(page: Path, text: str, number: int) -> Iterator[Line]:
    # What comes before the first command is nobody's output.
    for part in re.split(r"^(?=\$ )", text, flags=re.MULTILINE):
        command, output = _split(part)
        if part.startswith("$ "):
            yield Line(page, number, command[2:], output)
        number += part.count("\n")


def _split(part: str) -> tuple[str, str]:
    """Split a part behind its command, to which continued lines and a here-document belong."""
    lines = part.splitlines(keepends=True)
    end = 1
    while end < len(lines) and lines[end - 1].endswith("\\\n"):
        end += 1
    document = re.search(r"<<-?\s*['\"]?(\w+)", lines[0]) if lines else None
    if document:
        while end < len(lines) and lines[end].strip() != document[1]:
            end += 1
        end += 1
    return "".join(lines[:end]).rstrip("\n"), "".join(lines[end:])


def our_words(line: str) -> Iterator[list[str]]:
    """Yield the words of each of our commands in a shell line, without the program's name."""
    words = shlex.split(line.replace("\\\n", " "), comments=True)
    part: list[str] = []
    for word in [*words, ";"]:
        if word in {"|", ";", "&&", "||", ">", ">>", "<"}:
            if part[:1] == [_OURS]:
                yield part[1:]
            part = []
        else:
            part.append(word)


def our_spans(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield our commands in running text, with their places."""
    text = page.read_text(encoding="utf-8")
    prose = _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    for span in _SPAN.finditer(prose):
        number = prose[: span.start()].count("\n") + 1
        yield f"{page.name}:{number}", span[1].split()[1:]
