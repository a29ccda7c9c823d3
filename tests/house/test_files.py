"""What no file of the project may name: the hosts of registries, and the paths of one machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, project_files
from verifier import __version__

LOCK = ROOT / "ci" / "requirements.lock"

HOSTS = re.compile(
    r"\b(?:pypi|pythonhosted|debian|ubuntu|npmjs|crates|docker|ghcr|quay|gcr)\.(?:org|io|com)\b"
)
"""As the last two labels of a name with a scheme or a label before it."""

MACHINE = re.compile(r"(?<!\w)/work/(?:main|shared)|/root/(?:\.|work)|/tmp/(?:brief|restics|venv)")


def _names_a_registry(text: str) -> bool:
    return any(
        re.search(r"(?:://|[\w-]\.)$", text[: match.start()]) for match in HOSTS.finditer(text)
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def test_no_file_names_a_registry() -> None:
    assert [] == [path for path in project_files() if _names_a_registry(_text(path))]


def test_no_file_names_a_path_of_one_machine() -> None:
    assert [] == [path for path in project_files() if MACHINE.search(_text(path))]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("https://{}.org/simple", True),
        ("deb http://deb.{}.org/x sid main", True),
        ("{}.sources", False),
        ("apt-get install {}.io", False),
    ],
)
def test_registry_host_is_seen(host: str, expected: bool) -> None:
    assert expected is _names_a_registry(host.format("debian"))


def test_path_of_one_machine_is_seen() -> None:
    assert MACHINE.search("cd /work/" + "main")
    assert not MACHINE.search("/srv/work/main.c")


def test_locks_hold_no_address() -> None:
    for path in (LOCK, SOURCE / "restic" / "toolchain.toml"):
        assert "://" not in path.read_text(encoding="utf-8")


def _unpinned(lock: str) -> list[str]:
    """Return the entries of a requirements file that are not `NAME==VERSION` with digests."""
    entries = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n?", "", lock, flags=re.MULTILINE))
    pinned = re.compile(r"[\w.-]+==\S+(?:\s*;[^-]*?)?(?:\s+--hash=sha256:[0-9a-f]{64})+\s*")
    return [entry for entry in entries.splitlines() if entry and not pinned.fullmatch(entry)]


def test_every_requirement_is_pinned_by_digest() -> None:
    assert [] == _unpinned(LOCK.read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", ["--index-url x", "six", "six==1.17.0", "-e ."])
def test_unpinned_requirement_is_seen(line: str) -> None:
    assert [line] == _unpinned(f"{line}\n")


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = {
        re.split(r"[^\w-]", name, maxsplit=1)[0]
        for names in (project["dependencies"], *extras)
        for name in names
    }
    locked = set(re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))

    assert set() == wanted - locked


def test_newest_changes_are_those_of_this_version() -> None:
    headings = re.findall(
        r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )

    assert __version__ == headings[0]
