"""The monthly command as it is typed: configuration, environment, exit codes, one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.drill.lab import HOST, PASSWORD, Lab
from verifier.cli.main import main

CONFIG = """
schema = 1
{repository}
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[history]
file = "{ledger}.history"
[monthly]
scratch = "{scratch}"
scratch-budget = "1GiB"
ledger = "{ledger}"
"""
HOST_TABLE = """
[[hosts]]
name = "{name}"
address = "{address}"
port = 1
include = ["{live}"]
exclude = {exclude}
"""

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _ready(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one backup, a configuration, and restic's environment."""
    lab.write(a=b"a", b_tmp=b"b")
    lab.backup()
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(lab.root / "cache"))
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.chdir(lab.root)
    configure(lab)


def configure(
    lab: Lab,
    *,
    location: str | None = None,
    exclude: tuple[str, ...] = (),
    hosts: tuple[tuple[str, str], ...] = ((HOST, "local"),),
) -> None:
    """Write `verify.toml`; an empty location leaves the repository to the environment."""
    where = str(lab.repository) if location is None else location
    repository = f'[repository]\nlocation = "{where}"' if where else ""
    tables = (
        HOST_TABLE.format(name=name, address=address, live=lab.live, exclude=json.dumps(exclude))
        for name, address in hosts
    )
    text = CONFIG.format(repository=repository, scratch=lab.scratch, ledger=lab.ledger) + "".join(
        tables
    )
    (lab.root / "verify.toml").write_text(text)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command; return its exit code and its one JSON object."""

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        status = main(["monthly", "--json", *arguments])
        return status, json.loads(capsys.readouterr().out)

    return call


def test_a_healthy_host_is_ok(lab: Lab, run: Run) -> None:
    status, report = run()
    (host,) = report["drill"]["hosts"]

    assert (status, report["verdict"], report["findings"]) == (0, "OK", [])
    assert (host["host"], host["files"], host["bytes"]) == (HOST, 2, 2)
    assert host["counts"] == {"identical": 3}
    assert report["coverage"]["checked"] == report["coverage"]["total"] > 3
    assert {"packs": 2, "packs_read": 2} == {
        name: report["drill"]["repository"][name] for name in ("packs", "packs_read")
    }
    assert [2] == [one["files"] for one in report["drill"]["rehearsals"]]
    assert [HOST] == [one["host"] for one in report["audit"]["hosts"]]
    assert 64 == len(report["inputs"]["repository_id"])


def test_a_file_that_no_backup_holds_is_critical(lab: Lab, run: Run) -> None:
    lab.restic("forget", "-q", "latest")
    lab.backup(exclude=["*_tmp"])
    status, report = run()

    assert (status, [f["kind"] for f in report["findings"]]) == (2, ["missing"])
    configure(lab, exclude=("*_tmp",))
    assert run()[0] == 0


def test_a_host_that_does_not_answer_is_unknown_and_the_others_are_drilled(
    lab: Lab, run: Run
) -> None:
    lab.backup(host="dead")
    configure(lab, hosts=(("dead", "127.0.0.1"), (HOST, "local")))
    status, report = run()

    assert (status, [f["subject"] for f in report["findings"]]) == (3, ["dead"])
    assert [host["host"] for host in report["drill"]["hosts"]] == [HOST]
    assert run("--host", HOST)[0] == 0


def test_the_environment_of_restic_names_the_repository(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(lab, location="")

    assert run()[0] == 64
    monkeypatch.setenv("RESTIC_REPOSITORY", str(lab.repository))
    assert run()[0] == 0


def test_scratch_may_be_named(lab: Lab, run: Run) -> None:
    assert run("--scratch", "here")[0] == 0
    assert list((lab.root / "here").iterdir()) == []
    assert not lab.scratch.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--config", "nothing.toml"), "nothing.toml"),
        (("--host", "nobody"), "no such host"),
        (("--nonsense",), "--nonsense"),
    ],
)
def test_a_wrong_command_line_is_usage(
    lab: Lab, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    status, report = run(*arguments)

    assert status == 64
    assert words in report["error"]["message"]


def test_without_a_configuration_the_places_looked_at_are_named(lab: Lab, run: Run) -> None:
    (lab.root / "verify.toml").unlink()
    status, report = run()

    assert status == 64
    assert "verify.toml" in report["error"]["message"]


def test_a_malformed_exclude_names_its_key(lab: Lab, run: Run) -> None:
    configure(lab, exclude=("ok", "[a"), hosts=(("first", "local"), (HOST, "local")))
    status, report = run("--host", HOST)

    assert status == 64
    assert "hosts[1].exclude" in report["error"]["message"]
    assert "'[a'" in report["error"]["message"]


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [("RESTIC_PASSWORD", "wrong", "NoKeyOpens"), ("PATH", "/nonexistent", "ToolMissing")],
)
def test_what_stops_the_whole_drill_is_unknown(
    lab: Lab, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, error: str
) -> None:
    monkeypatch.setenv(variable, value)
    status, report = run()

    assert (status, report["verdict"]) == (3, "UNKNOWN")
    assert report["findings"][0]["evidence"] == {"error": error}


def test_a_repository_that_is_not_there_is_unknown(lab: Lab, run: Run) -> None:
    configure(lab, location=str(lab.root / "nothing"))
    status, report = run()

    assert status == 3
    assert report["findings"][0]["evidence"] == {"error": "RepositoryUnreadable"}


def test_people_are_told_in_text(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write(a=b"A")

    assert main(["monthly"]) == 0
    assert "changed 1" in capsys.readouterr().out
