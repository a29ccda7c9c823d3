"""`report controls` as a user runs it: the period, the page, what the history adds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli import console
from tests.evidence import year
from tests.evidence.chain import Chain, Keys
from verifier.monitor.evidence.sign import signed
from verifier.monitor.history.memory import open_history
from verifier.monitor.telemetry import BackupRun, CycleRun

DAYS = ("--since", "2025-12-01", "--until", "2026-11-25")


@pytest.fixture(scope="module")
def chain(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """The signed reports of a year."""
    folder = tmp_path_factory.mktemp("year") / "evidence"
    for report in year.year():
        signed(report, keys.private, folder)
    return Chain(folder, keys)


def _line(chain: Chain, *more: str) -> tuple[str, ...]:
    key = str(chain.keys.public)
    last = chain.sha256(len(chain.files))
    return ("report", "controls", str(chain.folder), "--key", key, "--last", last, *more)


def test_page_is_written_and_told(chain: Chain, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "page"
    ended = console.run(*_line(chain, *DAYS, "--html", str(folder)))

    assert (0, b"") == (ended.returncode, ended.stderr)
    first = "OK: 24 signed tests of 2 hosts from 2025-12-01 to 2026-11-25; 24 of 24 signatures hold"
    assert ended.stdout.decode().startswith(first)
    page = (folder / "controls.html").read_text(encoding="utf-8")
    assert "Evidence of backup and recovery tests, 2025-12-01 to 2026-11-25" in page


def test_history_adds_the_backups(chain: Chain, tmp_path: Path) -> None:
    runs = tuple(year.backups(3))
    cycle = CycleRun("jak", "run-backups", runs[0].began_at, 9.0, 0, runs, ())
    with open_history(tmp_path / "history.sqlite") as history:
        history.record_cycle(cycle)
        history.record_report(year.audited(3))
    ended = console.run(
        *_line(chain, *DAYS, "--json", "--history", str(tmp_path / "history.sqlite"))
    )
    section = console.report(ended.stdout)["controls"]

    assert [(3, 0), (3, 0)] == [
        (host["backups"]["good"], host["backups"]["failed"]) for host in section["hosts"]
    ]
    assert 1 == section["unsigned"]


def test_tampering_is_critical_and_stands_on_the_page(chain: Chain, tmp_path: Path) -> None:
    copy = Chain(tmp_path / "evidence", chain.keys)
    copy.folder.mkdir()
    for file in chain.files[:10]:
        (copy.folder / file.name).write_bytes(file.read_bytes())
    copy.files[4].unlink()
    ended = console.run(*_line(copy, *DAYS, "--json", "--html", str(tmp_path)))
    report = console.report(ended.stdout)

    assert (2, ["evidence-broken"]) == (
        ended.returncode,
        [finding["kind"] for finding in report["findings"]],
    )
    assert 9 == len(report["controls"]["tests"])
    assert "number 5 is missing from the chain" in (tmp_path / "controls.html").read_text()


def test_backup_before_the_period_ends_no_gap_at_its_beginning(
    chain: Chain, tmp_path: Path
) -> None:
    good, failed = (
        BackupRun("web1", datetime(2026, month, 1, tzinfo=UTC), 9.0, status)
        for month, status in ((8, 0), (9, 1))
    )
    with open_history(tmp_path / "history.sqlite") as history:
        for run in (good, failed):
            history.record_cycle(CycleRun("jak", "run", run.began_at, 9.0, 0, (run,), ()))
    days = ("--since", "2026-11-01", "--until", "2026-11-25")
    line = _line(chain, *days, "--json", "--history", str(tmp_path / "history.sqlite"))
    web1, db1 = console.report(console.run(*line).stdout)["controls"]["hosts"]

    assert (117 * 86_400.0, 0, 0) == tuple(
        web1["backups"][name] for name in ("longest_gap_s", "good", "failed")
    )
    assert (None, None) == (db1["backups"]["longest_gap_s"], db1["backups"]["since"])


def test_time_that_is_still_to_come_is_not_counted(chain: Chain) -> None:
    ended = console.run(*_line(chain, "--since", "2020-11-01", "--until", "2090-12-31", "--json"))
    report = console.report(ended.stdout)

    assert report["started"][:19] == report["controls"]["until"][:19]


def test_days_are_those_of_the_reader(chain: Chain) -> None:
    days = ("--since", "2026-10-01", "--until", "2026-11-25")
    env = console.environment(TZ="Europe/Berlin")
    ended = console.run(*_line(chain, *days, "--json"), env=env)
    section = console.report(ended.stdout)["controls"]

    assert b"from 2026-10-01 to 2026-11-25" in console.run(*_line(chain, *days), env=env).stdout
    assert ("2026-10-01T00:00:00+02:00", "2026-11-26T00:00:00+01:00") == (
        section["since"],
        section["until"],
    )


def test_period_without_a_test_is_unknown(chain: Chain) -> None:
    line = _line(chain, "--since", "2020-01-01", "--until", "2020-02-01", "--json")
    ended = console.run(*line)

    assert (3, ["empty"]) == (
        ended.returncode,
        [finding["kind"] for finding in console.report(ended.stdout)["findings"]],
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--since", "yesterday"), "'yesterday' is no date"),
        (("--since", "2026-02-30"), "'2026-02-30' is no date"),
        (("--since", "2026-02-02", "--until", "2026-02-01"), "the period has no day"),
        (("--since", "2090-02-02", "--until", "2090-03-01"), "2090-02-02 is still to come"),
        (("--html", "/dev/null/x"), "cannot be written"),
    ],
)
def test_what_cannot_be_obeyed_is_said(chain: Chain, more: tuple[str, ...], said: str) -> None:
    ended = console.run(*_line(chain, *more))

    assert (64, b"") == (ended.returncode, ended.stdout)
    assert said in ended.stderr.decode()


def test_file_is_no_chain(chain: Chain) -> None:
    ended = console.run("report", "controls", str(chain.files[0]), "--key", str(chain.keys.public))

    assert 64 == ended.returncode
    assert b"name the folder" in ended.stderr
