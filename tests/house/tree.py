"""The source tree as the house tests read it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "verifier"
PASSED_OVER = {".git", ".venv", "__pycache__"}


def project_files() -> tuple[Path, ...]:
    """Return every file that git keeps, or would keep."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def modules(source: Path = SOURCE) -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and the path of every module."""
    for path in sorted(source.rglob("*.py")):
        within = path.relative_to(source.parent)
        if "templates" in within.parts or PASSED_OVER & set(within.parts):
            continue
        parts = within.with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def copy_of_the_house(folder: Path) -> Path:
    """Copy the package and its rules, for breaking one."""
    shutil.copytree(SOURCE, folder / "verifier", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder
