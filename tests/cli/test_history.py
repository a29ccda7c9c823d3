"""What is remembered is listed, written for other programs, forgotten, and shown as it was."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pyarrow import parquet

from tests.cli import console
from tests.monitor import envelopes
from tests.monitor.alerting import TEXT
from tests.monitor.five_years import END, HOSTS, fill
from verifier.monitor.history.memory import open_history


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of forty days and two hosts; report 3 is good, and 4 tells of corrupted files."""
    made = tmp_path_factory.mktemp("history") / "history.sqlite"
    with open_history(made) as history:
        fill(history, days=40, hosts=HOSTS[:2])
        history.record_report(envelopes.drilled(corrupted=0))
        history.record_report(envelopes.drilled(corrupted=2))
    return made


def remembered(*line: object, code: int = 0) -> dict[str, Any]:
    """Run `history`, and return the section of its report."""
    ended = console.run("history", "--json", *map(str, line))
    assert (code, b"") == (ended.returncode, ended.stderr)
    return dict(console.report(ended.stdout)["remembered"])


def test_a_list_says_what_there_is(path: Path) -> None:
    section = remembered("--history", path)

    assert (40, 80, 4) == tuple(section["rows"][t] for t in ("cycles", "backups", "reports"))
    assert {"host000", "host001", "web1"} <= {host["host"] for host in section["hosts"]}
    assert END.isoformat() in {host["last"] for host in section["hosts"]}
    assert [4, 3, 2, 1] == sorted((one["number"] for one in section["reports"]), reverse=True)


def test_an_empty_history_is_not_well(tmp_path: Path) -> None:
    with open_history(tmp_path / "h"):
        pass

    assert 0 == remembered("--history", tmp_path / "h", code=3)["rows"]["backups"]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_an_export_holds_every_row(path: Path, tmp_path: Path, form: str) -> None:
    section = remembered("export", "--to", tmp_path, "--format", form, "--history", path)
    files = {Path(file["path"]).stem: file["rows"] for file in section["written"]}
    found = tmp_path / f"backups.{form}"
    with open_history(path, read_only=True) as history:
        expected = history.backups()

    assert 80 == files["backups"] == len(expected)
    assert {f"{name}.{form}" for name in files} == {one.name for one in tmp_path.iterdir()}
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(found.read_text("utf-8"), newline="")))
    else:
        rows = parquet.read_table(found).to_pylist()
        assert {run.began_at for run in expected} == {row["began_at"] for row in rows}
    assert [(run.host, run.snapshot) for run in expected] == [
        (row["host"], row["snapshot"]) for row in rows
    ]
    assert sum(run.added_bytes for run in expected) == sum(int(row["added_bytes"]) for row in rows)


def test_a_folder_that_cannot_be_written_is_said(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = console.run("history", "export", "--history", str(path), "--to", f"{tmp_path}/file")

    assert 3 == ended.returncode
    assert b"--to" in ended.stderr


def test_history_that_knows_nothing_yet_is_tidy(tmp_path: Path) -> None:
    path = tmp_path / "h"
    with open_history(path):
        pass

    assert 0 == console.run("history", "tidy", "--history", str(path)).returncode
    assert 3 == console.run("history", "list", "--history", str(path)).returncode


def test_tidying_forgets_what_is_older(tmp_path: Path) -> None:
    path = tmp_path / "h"
    with open_history(path) as history:
        fill(history, days=40, hosts=HOSTS[:2])
    section = remembered("tidy", "--keep", "1d", "--history", path)

    assert section["removed"]["cycles"] >= 37
    with open_history(path) as history:
        assert END == history.cycles()[-1].cycle.began_at
        assert history.last_good_backup(HOSTS[0]) is not None


def test_tidying_is_told_by_who_sends_next(tmp_path: Path) -> None:
    """Its unit reaches nobody; red where who waits for a ping of `tidy` waits in vain."""
    config = tmp_path / "verify.toml"
    config.write_text(f'{TEXT}[history]\nfile = "{tmp_path}/h"\n')
    with open_history(tmp_path / "h"):
        pass
    remembered("tidy", "--config", config)
    with open_history(tmp_path / "h") as history:
        (owed,) = history.owed()

    assert ("end", "tidy", "OK") == (owed.kind, owed.body["job"], owed.body["verdict"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("export",), "--to: nothing says"),
        (("list", "--to", "x"), "--to: belongs to export"),
        (("list", "--keep", "1d"), "--keep: belongs to tidy"),
        (("tidy", "--keep", "soon"), "--keep: 'soon' is no span"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    path: Path, tmp_path: Path, line: tuple[str, ...], said: str
) -> None:
    ended = console.run("history", *line, "--history", str(path), cwd=tmp_path)

    assert 64 == ended.returncode
    assert said in ended.stderr.decode()


def test_a_past_report_is_shown_as_it_was(path: Path) -> None:
    ended = console.run("report", "4", "--history", str(path), "--json")
    report = console.report(ended.stdout)

    assert json.loads(json.dumps(envelopes.drilled(corrupted=2))) == report["past"]["envelope"]
    assert ("CRITICAL", 2) == (report["verdict"], ended.returncode)
    assert report["past"]["envelope"]["findings"] == report["findings"]


def test_the_last_of_a_kind_is_shown(path: Path) -> None:
    shown = console.run("report", "--kind", "monthly", "--history", str(path))

    assert b"Report 4 of the history" in shown.stdout.splitlines()[-1]
    assert 3 == console.run("report", "--kind", "audit", "--history", str(path)).returncode


@pytest.mark.parametrize(
    "line", [("99",), ("-1",), ("two",), ("1", "--kind", "monthly")], ids=" ".join
)
def test_no_such_report_is_wrong_usage(path: Path, line: tuple[str, ...]) -> None:
    assert 64 == console.run("report", *line, "--history", str(path)).returncode


def _suite(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - our own


def test_a_past_report_becomes_a_page_and_junit(path: Path, tmp_path: Path) -> None:
    folder, junit = tmp_path / "page", tmp_path / "junit.xml"
    where = ("--html", str(folder), "--junit", str(junit))
    ended = console.run("report", "4", "--history", str(path), *where)
    page = (folder / "index.html").read_text("utf-8")
    suite = _suite(junit)

    assert 2 == ended.returncode
    assert "corrupted" in page
    assert "monthly" == json.loads((folder / "report.json").read_text("utf-8"))["kind"]
    assert "1" == suite.get("failures")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert ["web1"] == failed
    assert len(suite) == int(suite.get("tests") or 0) > 1


def test_a_good_report_fails_no_case(path: Path, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    good = console.run("report", "3", "--history", str(path), "--junit", str(junit))
    suite = _suite(junit)

    assert (0, "0", "0") == (good.returncode, suite.get("failures"), suite.get("errors"))


@pytest.mark.parametrize("action", ["list", "tidy", "export"])
def test_what_is_only_looked_at_is_not_made(tmp_path: Path, action: str) -> None:
    path = tmp_path / "typo" / "history.sqlite"
    more = ["--to", str(tmp_path / "out")] if action == "export" else []
    ended = console.run("history", action, *more, "--history", str(path))

    assert 3 == ended.returncode
    assert b"there is no history yet" in ended.stderr
    assert [] == list(tmp_path.iterdir())
