"""Run the tutorial as its reader does, in an empty folder, and hold what is printed against it.

`python -m tests.docs.tutorial` runs it and writes the page anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.pages import DOCS, Line, console_lines

PAGE = DOCS / "tutorial.md"
READER = "/home/you/tutorial"
"""The folder as the page has it."""

SYSTEM = "Linux 6.12"
"""The reader's; the kernel on which the page was last written is nobody's matter."""

WRITTEN = Path("/var/tmp/tutorials")  # noqa: S108 - see below
"""Where it is run for the page: a name as long as the reader's, so that tables stay in line."""

LIMIT_S = 240
_MARK = "\x01"

_VARIES = (
    # What differs from run to run, machine to machine and release to release, in this order.
    (r"\n*Notes\n(?:  - .*\n)+", "\n"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)", "INSTANT"),
    (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d [+-]\d\d:\d\d", "INSTANT"),
    (r"\b(?!2024)\d{4}-\d\d-\d\d\b", "DATE"),
    (r"\b[0-9a-f]{2}/[0-9a-f]{64}\b", "PACK"),
    (r"\b(?=[0-9a-f]*[a-f0-9]{8})[0-9a-f]{8,64}\b", "ID"),
    (r"\b\d[\d,.]* (?:ms|s|min|h|days?)\b(?: \d+ (?:s|min|h)\b)?", "SPAN"),
    (r"\b\d[\d,.]* (?:B|KiB|MiB|GiB)\b", "SIZE"),
    (r"(?m)^With: .*$", "WITH"),
    (r"\brestic \d+\.\d+\.\d+", "RESTIC"),
    (r"offset \d+", "OFFSET"),
    (r" {2,}", "  "),
    (r"(?m)[ ]+$", ""),
)


def normal(output: str) -> str:
    """Return output without what may differ."""
    for pattern, word in _VARIES:
        output = re.sub(pattern, word, output)
    return output.strip()


def run(folder: Path, lines: Iterable[Line]) -> list[str]:
    """Run commands in one shell and return what each printed, with the reader's folder in it."""
    # The status of a command is there for the next one, whatever is printed between the two.
    parts = [f"s=$?; printf '{_MARK}'; (exit $s)\n{line.text}\n" for line in lines]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    ended = subprocess.run(
        ["bash", "-c", "exec 2>&1\n" + "".join(parts)],
        cwd=folder,
        env={**kept, "PATH": path, "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
    )
    return [part.replace(str(folder), READER) for part in ended.stdout.split(_MARK)[1:]]


def rewritten(text: str, lines: Iterable[Line], outputs: Iterable[str]) -> str:
    """Return the page with other outputs in the place of its own."""
    place = 0
    for line, output in zip(lines, outputs, strict=True):
        begin = text.index(f"$ {line.text}\n", place) + len(f"$ {line.text}\n")
        assert text[begin:].startswith(line.output), line.place
        # Trailing spaces of a table's last column are nobody's message.
        clean = re.sub(r"(?m)[ ]+$", "", output)
        clean = re.sub(r"(?m)^With: os Linux [^,\s]+", f"With: os {SYSTEM}", clean)
        text = text[:begin] + clean + text[begin + len(line.output) :]
        place = begin + len(clean)
    return text


@contextmanager
def written_anew() -> Iterator[Path]:
    """Run the tutorial and write its page anew; give the folder, which is gone afterwards."""
    assert len(str(WRITTEN)) == len(READER)
    WRITTEN.mkdir()
    try:
        lines = list(console_lines(PAGE))
        text = rewritten(PAGE.read_text(encoding="utf-8"), lines, run(WRITTEN, lines))
        PAGE.write_text(text, encoding="utf-8")
        yield WRITTEN
    finally:
        shutil.rmtree(WRITTEN)


if __name__ == "__main__":
    with written_anew():
        pass
