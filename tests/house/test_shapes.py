"""How long modules and functions may be, and that each has a use.

A name that only tests know is kept by nobody: it is removed, or it stands below with its reason.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, SOURCE, modules

MODULE_LINES, TEST_MODULE_LINES, FUNCTION_LINES = 400, 650, 70

WHOLE = {"verifier.drill.probe", "verifier.drill.manifest_script"}
"""One file each, as they are piped to a Python of another machine that has nothing of ours."""

FOR_TESTS = {
    "key_names": "what the configuration knows, to be held against its documentation",
    "schema_text": "the committed schema is made of it",
    "proven_files": "what an interrupted run leaves in the ledger",
    "last_finished": "what a fleet's log server answers its dashboard",
}
"""Names that tests alone ask for, and why they are there nevertheless."""

CALLED_FROM_OUTSIDE = re.compile(r"__\w+__|_\w+|pytest_\w+|runtest|reportinfo")
"""Called by Python or pytest; what begins with `_` is ruff's and mypy's to see."""

FOREIGN = {
    "print_help": "argparse",
    "capture_signals": "uvicorn",
    "get_name": "paramiko",
}
"""Methods that a library calls on what is derived from its own."""


def _long_modules(folder: Path, most: int) -> dict[str, int]:
    sizes = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules(folder)}
    return {name: size for name, size in sizes.items() if size > most and name not in WHOLE}


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def _long_functions(source: Path) -> set[str]:
    return {
        f"{name}.{node.name}"
        for name, path in modules(source)
        for node in _functions(path)
        if not isinstance(node, ast.ClassDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    }


def _unused(source: Path) -> set[str]:
    """Return the functions, methods and classes that are mentioned where they are made alone."""
    said = Counter[str]()
    for path in source.rglob("*"):
        if path.suffix in {".py", ".j2", ".toml"}:
            said.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return {
        node.name
        for _, path in modules(source)
        for node in _functions(path)
        if said[node.name] == 1 and not CALLED_FROM_OUTSIDE.fullmatch(node.name)
    }


def test_no_module_is_too_long() -> None:
    assert {} == _long_modules(SOURCE, MODULE_LINES)
    assert {} == _long_modules(ROOT / "tests", TEST_MODULE_LINES)


def test_no_function_is_too_long() -> None:
    assert set() == _long_functions(SOURCE)


def test_everything_has_a_use() -> None:
    assert {*FOR_TESTS, *FOREIGN} == _unused(SOURCE)


def test_too_long_and_unused_are_seen(tmp_path: Path) -> None:
    room = tmp_path / "verifier" / "drill"
    room.mkdir(parents=True)
    body = "    x = 1\n" * FUNCTION_LINES
    (room / "stray.py").write_text(f"def used():\n{body}\n\ndef stray():\n    used()\n")

    assert {"verifier.drill.stray.used"} == _long_functions(tmp_path / "verifier")
    assert {"stray"} == _unused(tmp_path / "verifier") - {"used"}
    assert ["verifier.drill.stray"] == list(_long_modules(tmp_path / "verifier", 70))
