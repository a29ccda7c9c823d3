"""The lint rules that the house rests on, each seen red, and the few that ruff cannot state."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, modules


def _ruff(text: str, name: str) -> str:
    program = Path(sys.executable).with_name("ruff")
    ended = subprocess.run(
        [program, "check", "--no-cache", "--output-format=concise", "--stdin-filename", name, "-"],
        input=text,
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return ended.stdout


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("from datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n", "TID251"),
        ("from datetime import datetime\n\nNOW = datetime.utcnow()\n", "TID251"),
        ("from datetime import date\n\nTODAY = date.today()\n", "TID251"),
        ("import time\n\nNOW = time.time()\n", "TID251"),
        ("import random\n\nDRAWN = random.random()\n", "TID251"),
        ("from unittest import mock\n\nFAKE = mock.Mock()\n", "TID251"),
        ("from . import host\n\nHOST = host\n", "TID252"),
        ('print("hello")\n', "T201"),
        ("X = 1  # noqa: E501\n", "RUF100"),
        ("# x = 1\n", "ERA001"),
    ],
)
def test_banned_call_is_seen(text: str, code: str) -> None:
    assert code in _ruff(text, "verifier/drill/stray.py")


def test_command_line_may_print() -> None:
    assert "T201" not in _ruff('print("hello")\n', "verifier/cli/stray.py")


def _environment_readers(source: Path) -> set[str]:
    found = set()
    for name, path in modules(source):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            attribute = node.attr if isinstance(node, ast.Attribute) else ""
            imported = {a.name for a in node.names} if isinstance(node, ast.ImportFrom) else set()
            if {attribute, *imported} & {"environ", "environb", "getenv"} and not (
                isinstance(node, ast.Attribute) and not _is_os(node.value)
            ):
                found.add(name)
    return found


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def test_only_the_front_door_reads_the_environment() -> None:
    # Where a process is given the environment that the front door read.
    found = _environment_readers(SOURCE) - {"verifier.reader.processes"}
    rooms = {name.split(".")[1] for name in found}

    assert rooms <= {"cli", "config"}


@pytest.mark.parametrize(
    "line",
    ["import os; X = os.environ['HOME']", "from os import environ", "import os; os.getenv('X')"],
)
def test_reading_the_environment_elsewhere_is_seen(tmp_path: Path, line: str) -> None:
    room = tmp_path / "verifier" / "drill"
    room.mkdir(parents=True)
    (room / "stray.py").write_text(line)
    (room / "good.py").write_text("def f(context): return context.environ")

    assert {"verifier.drill.stray"} == _environment_readers(tmp_path / "verifier")


def test_one_module_asks_the_machine_for_the_time() -> None:
    excused = {
        name for name, path in modules() if re.search(r"noqa:.*TID251", path.read_text("utf-8"))
    }

    assert {"verifier.clock.system"} == excused


@pytest.mark.parametrize(("name", "path"), list(modules()))
def test_module_says_what_it_is_for(name: str, path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), name
