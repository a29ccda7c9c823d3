"""Reports of production are remembered and told, and nothing that fails in that changes them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drill.lab import HOST, PASSWORD, Lab
from tests.house.tree import ROOT
from tests.servers.receiver import Answer, Received, Receiver, receiver, run_receiver
from verifier.cli.main import main
from verifier.monitor.history.memory import open_history

__all__ = ("receiver",)

CONFIG = """\
schema = 1
[repository]
location = "{lab.repository}"
password-file = "{lab.root}/password"
[coordinator]
name = "jak"
[schedule]
times = ["04:00"]
timezone = "UTC"
[retention]
keep-daily = 30
[monthly]
scratch = "{lab.scratch}"
ledger = "{lab.ledger}"
[history]
file = "{lab.root}/history.sqlite"
spool = "{lab.root}/spool"
[sinks]
timeout = "30s"
attempts = 1
[sinks.webhook]
url = "{url}/hook"
secret = {{ file = "{lab.root}/secret" }}
[sinks.prometheus]
textfile = "{lab.root}/restic.prom"
[[sinks.pings]]
job = "monthly"
url-secret = {{ command = ["echo", "{url}/ping"] }}
[[hosts]]
name = "{host}"
address = "local"
include = ["{lab.live}"]
"""

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _ready(lab: Lab, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(a=b"a")
    lab.backup()
    for name, content in (("password", PASSWORD), ("secret", "of the webhook")):
        (lab.root / name).write_text(f"{content}\n")
    (lab.root / "verify.toml").write_text(CONFIG.format(lab=lab, url=receiver.url, host=HOST))
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(lab.root / "cache"))
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.chdir(lab.root)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command; return its exit code and its one JSON object."""

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        status = main([*arguments, "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def _paths(receiver: Receiver) -> list[str]:
    return [got.path for got in receiver.received if got.path.startswith("/ping")]


def _told(receiver: Receiver) -> list[dict[str, Any]]:
    """Return the reports that the webhook received."""
    hooked = (json.loads(got.body) for got in receiver.received if got.path == "/hook")
    return [one["body"] for one in hooked if one["kind"] == "report"]


def _remembered(lab: Lab) -> list[tuple[str, str]]:
    with open_history(lab.root / "history.sqlite") as history:
        assert () == history.owed()
        return [(past.kind, past.verdict) for past in history.reports()]


def test_monthly_is_remembered_and_told(lab: Lab, receiver: Receiver, run: Run) -> None:
    status, report = run("monthly")

    assert (0, []) == (status, report["findings"])
    assert [("monthly", "OK")] == _remembered(lab)
    assert [report] == _told(receiver)
    assert ["/ping/start", "/ping"] == _paths(receiver)
    assert 'restic_verify_verdict{kind="monthly"} 0.0' in (lab.root / "restic.prom").read_text()
    assert (
        f'restic_verify_last_ok_timestamp_seconds{{host="{HOST}"}}'
        in (lab.root / "restic.prom").read_text()
    )


@pytest.mark.heavy
def test_sinks_that_fail_change_no_verdict(lab: Lab, receiver: Receiver, run: Run) -> None:
    receiver.mood = "refuse"
    status, first = run("monthly")

    assert (0, "OK") == (status, first["verdict"])
    assert [("not-delivered", "WARNING")] * 2 == [
        (finding["kind"], finding["severity"]) for finding in first["findings"]
    ]
    assert {"webhook", "ping-monthly"} == {finding["subject"] for finding in first["findings"]}

    receiver.mood = "accept"
    status, second = run("monthly")

    assert (0, []) == (status, second["findings"])
    assert [first["started"], second["started"]] == [one["started"] for one in _told(receiver)]
    assert ["/ping/start", "/ping"] * 2 == _paths(receiver)


@pytest.mark.heavy
def test_secret_that_cannot_be_had_keeps_what_is_to_be_sent(
    lab: Lab, receiver: Receiver, run: Run
) -> None:
    (lab.root / "secret").unlink()
    status, report = run("monthly")
    (found,) = report["findings"]

    assert (0, "webhook") == (status, found["subject"])
    assert "its secret cannot be had" in found["detail"]
    (lab.root / "secret").write_text("back again\n")
    assert [] == run("monthly")[1]["findings"]
    assert 2 == len(_told(receiver))


def test_history_and_spool_that_cannot_be_written_change_no_verdict(
    lab: Lab, receiver: Receiver, run: Run
) -> None:
    (lab.root / "history.sqlite").write_text("no history at all, and longer than a header is" * 9)
    (lab.root / "spool").write_text("in the way")
    status, report = run("monthly")

    assert (0, "OK") == (status, report["verdict"])
    assert {"history", "webhook", "ping-monthly", "textfile"} == {
        finding["subject"] for finding in report["findings"]
    }
    assert 1 == len(_told(receiver)), "it was told all the same"


def test_error_is_remembered_and_told(lab: Lab, receiver: Receiver, run: Run) -> None:
    (lab.root / "password").write_text("wrong\n")
    status, report = run("monthly")

    assert (3, "UNKNOWN") == (status, report["verdict"])
    assert [("monthly", "UNKNOWN")] == _remembered(lab)
    assert [report] == _told(receiver)
    assert ["/ping/start", "/ping/fail"] == _paths(receiver)
    assert report["error"]["message"] in receiver.received[-1].body.decode()


def test_wrong_usage_of_a_job_is_told_to_those_who_heard_of_its_start(
    receiver: Receiver, run: Run
) -> None:
    assert 64 == run("monthly", "--host", "nobody")[0]
    assert ["/ping/start", "/ping/fail"] == _paths(receiver)


def test_wrong_usage_by_hand_is_told_nobody(lab: Lab, receiver: Receiver, run: Run) -> None:
    assert 64 == run("drill", "--config", "verify.toml", "--host", "nobody")[0]
    assert 64 == run("monthly", "--no-such-option")[0]
    assert [] == receiver.received
    assert not (lab.root / "history.sqlite").exists()


@pytest.mark.parametrize("command", ["drill", "audit"])
def test_looks_by_hand_are_remembered_and_ping_nobody(
    lab: Lab, receiver: Receiver, run: Run, command: str
) -> None:
    status, report = run(command, "--config", "verify.toml")

    assert 0 == status
    assert [(command, "OK")] == _remembered(lab)
    assert [report["kind"]] == [one["kind"] for one in _told(receiver)]
    assert [] == _paths(receiver)


@pytest.mark.parametrize(
    "line",
    [
        ("audit", "--config", "verify.toml", "--now", "2030-01-01T00:00:00Z"),
        ("drill", "--repo", "{repository}", "--host", HOST, "--source", "/"),
        ("plan", "--repo", "{repository}", "--keep-daily=3"),
    ],
    ids=["another-time", "another-repository", "no-look"],
)
def test_what_is_not_production_is_kept_to_itself(
    lab: Lab, receiver: Receiver, run: Run, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    run(*(word.format(repository=lab.repository) for word in line))

    assert [] == receiver.received
    assert not (lab.root / "history.sqlite").exists()


@pytest.mark.heavy
def test_stopped_run_keeps_its_report_and_waits_for_nobody(lab: Lab) -> None:
    """SIGTERM comes with the first request; the servers would hang for the rest of the day."""
    stopped: list[subprocess.Popen[bytes]] = []

    def answer(_: Received) -> Answer:
        stopped[0].send_signal(signal.SIGTERM)
        server.mood = "hang"
        return Answer()

    with run_receiver(answer) as server:
        config = lab.root / "verify.toml"
        config.write_text(CONFIG.format(lab=lab, url=server.url, host=HOST))
        argv = (sys.executable, "-m", "verifier", "monthly", "--config", str(config), "--json")
        stopped.append(subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT))
        said, _ = stopped[0].communicate(timeout=60)

    assert 143 == stopped[0].returncode
    assert ["interrupted"] == [finding["kind"] for finding in json.loads(said)["findings"]]
    with open_history(lab.root / "history.sqlite") as history:
        assert ["report", "end", "notice"] == [delivery.kind for delivery in history.owed()]


@pytest.mark.parametrize("line", [["--help"], ["monthly", "--help"], ["plan", "--snapshots", "-"]])
def test_commands_that_send_nothing_start_without_what_sends(
    line: list[str], tmp_path: Path
) -> None:
    program = (
        "import sys\nfrom verifier.cli.main import main\n"
        f"main({line})\n"
        "heavy = {'httpx', 'tenacity', 'prometheus_client', 'apprise'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} were imported' if heavy else 0)\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program),
        input=b"[]",
        capture_output=True,
        cwd=tmp_path,
        check=False,
    )

    assert (0, b"") == (done.returncode, done.stderr.split(b"restic-verify:")[0])
