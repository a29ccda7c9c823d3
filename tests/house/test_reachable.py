"""Every module is reached from the command line or by pytest: what nobody can run is not kept."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, SOURCE, copy_of_the_house, modules
from verifier.cli.main import COMMANDS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PLUGINS = PROJECT["entry-points"]["pytest11"].values()
ROOTS = {
    "verifier.__main__",
    *(f"verifier.cli.{command.replace(' ', '_')}" for command in COMMANDS),
    *PLUGINS,
}


def _mentioned(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, inside functions too, or loads by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and re.fullmatch(r"verifier(\.\w+)+", str(node.value)):
            yield str(node.value)


def _packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: number + 1]) for number in range(len(parts)))


def _unreachable(source: Path) -> set[str]:
    paths = dict(modules(source))
    ahead, reached = [*ROOTS], set[str]()
    while ahead:
        for name in _packages(ahead.pop()):
            if name in paths and name not in reached:
                reached.add(name)
                ahead.extend(_mentioned(paths[name]))
    return set(paths) - reached


def test_every_command_has_its_module() -> None:
    assert ROOTS <= {name for name, _ in modules()}


def test_every_module_is_reachable() -> None:
    assert set() == _unreachable(SOURCE)


def test_unreachable_module_is_seen(tmp_path: Path) -> None:
    source = copy_of_the_house(tmp_path) / "verifier"
    before = _unreachable(source)
    (source / "drill" / "stray.py").write_text('"""Nobody asks for this."""\n')

    assert before | {"verifier.drill.stray"} == _unreachable(source)
