"""`restic-verify ledger`: from the memory of runs to a report, on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli import console
from verifier.drill.ledger import file_key, open_ledger

AT = datetime(2025, 3, 1, 4, tzinfo=UTC)
MONTH = timedelta(days=30)

Held = Mapping[int, tuple[int, int]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def write(path: Path, *rounds: Held, within: int = 2) -> None:
    """Write one finished run a round, of web1's files and the repository's packs."""
    with open_ledger(path) as ledger:
        for month, held in enumerate(rounds):
            at = AT + month * MONTH
            run = ledger.begin(repository="ab" * 32, inputs="", at=at, seed=1, within=within)
            run.prove_packs([("00" * 32, 1 << 24)])
            run.hold_packs(held)
            run.prove_files("web1", [(file_key("/etc/hosts", ""), 100)])
            run.hold_files("web1", {run.file_round("web1"): (1, 100)})
            run.finish(at + timedelta(minutes=47), "OK", {})


def test_proven_ledger_is_ok(path: Path) -> None:
    write(path, {1: (3, 3 << 24)})
    ended = console.run("ledger", "--ledger", str(path))

    assert (0, b"") == (ended.returncode, ended.stderr)
    lines = ended.stdout.decode().splitlines()
    assert "OK: 100 % of 4 packs and files proven within 2 runs" in lines[0]
    assert ["web1", "files", "100", "B", "100", "%", "-", "-", "-"] in [x.split() for x in lines]
    assert max(map(len, lines[1:])) <= 80


def test_overdue_packs_are_a_warning(path: Path) -> None:
    held: list[Held] = [{1: (3, 30)}, {1: (3, 30)}, {1: (3, 30)}]
    write(path, *held)
    ended = console.run("ledger", "--ledger", str(path), "--json")
    report = console.report(ended.stdout)

    assert (1, "WARNING") == (ended.returncode, report["verdict"])
    assert [("rotation-missed", "repository")] == [
        (finding["kind"], finding["subject"]) for finding in report["findings"]
    ]
    assert (1, 4) == (report["coverage"]["checked"], report["coverage"]["total"])


def test_ledger_in_which_nothing_is_proven_is_empty(path: Path) -> None:
    with open_ledger(path):
        pass
    ended = console.run("ledger", "--ledger", str(path), "--json")

    assert 3 == ended.returncode
    assert ["empty"] == [finding["kind"] for finding in console.report(ended.stdout)["findings"]]


def test_no_ledger_could_not_be_verified(path: Path) -> None:
    ended = console.run("ledger", "--ledger", str(path), "--json")
    report = console.report(ended.stdout)

    assert 3 == ended.returncode
    assert ["could-not-verify"] == [finding["kind"] for finding in report["findings"]]
    assert str(path) in report["error"]["message"]
    assert not path.exists()


def test_configuration_names_the_ledger(path: Path, tmp_path: Path) -> None:
    write(path, {1: (3, 30)})
    example = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"
    config = tmp_path / "verify.toml"
    lines = [x for x in example.read_text().splitlines() if not x.startswith("ledger = ")]
    text = "\n".join(lines)
    table = "[monthly]\n"
    text = text if table in text else f"{text}\n{table}"
    config.write_text(text.replace(table, f'{table}ledger = "{path}"\n') + "\n")
    ended = console.run("ledger", "--json", cwd=tmp_path)

    assert (0, str(path)) == (
        ended.returncode,
        console.report(ended.stdout)["inputs"]["ledger"],
    )


def test_page_shows_a_bar_for_each_scope(path: Path, tmp_path: Path) -> None:
    write(path, {0: (1, 10), 1: (2, 20)})
    folder = tmp_path / "report"
    console.run("ledger", "--ledger", str(path), "--report", str(folder))
    page = (folder / "index.html").read_text()

    assert 1 == page.count('<svg class="picture"')
    assert 3 == page.count('<rect class="age-')
    assert "web1 files" in page


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_no_ledger(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    ended = console.run("ledger", "--ledger", str(path))

    assert 3 == ended.returncode
    assert b"is no file" in ended.stderr
