"""What is shipped to the log server, and what is made of its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed
from verifier.simulate.worlds.fleet_logs import LAST_FINISHED, Logs

AT = datetime(2031, 5, 1, 4, 2, tzinfo=UTC)
WELL = Completed(0, b"run status=0\nFinished run backups.\n", b"a warning\n", 1.0)
ILL = Completed(1, b"Failed run backups.\n", b"", 1.0)


class Coordinator:
    """A host from which a server is asked that always gives the same answer."""

    name = "jak"

    def __init__(self, answer: str, status: int = 0) -> None:
        self.answer, self.status = answer, status
        self.asked: list[Command] = []

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        self.asked.append(command)
        return Completed(self.status, f"{self.answer}\n".encode(), b"refused\n", timeout_s or 0)

    def rows(self) -> list[tuple[str, str]]:
        """Return service and line of what was last shipped."""
        rows = [json.loads(line) for line in (self.asked[-1].stdin or b"").splitlines()]
        assert all((AT.timestamp(), "jak") == (row["when"], row["host"]) for row in rows)
        return [(row["service"], row["data"]) for row in rows]


def _seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


@pytest.mark.parametrize(
    ("done", "answer", "last"),
    [(WELL, _seconds(AT), "Finished run backups."), (ILL, "", "Failed to start run backups.")],
)
def test_every_line_is_shipped_and_systemd_has_the_last_word(
    done: Completed, answer: str, last: str
) -> None:
    jak = Coordinator(answer)
    found = Logs(jak, "logs", "run-backups").ship(AT, done)
    said = (done.stdout + done.stderr).decode().splitlines()

    assert () == found
    assert [*(("run-backups", line) for line in said), ("systemd", last)] == jak.rows()
    assert LAST_FINISHED == jak.asked[-1].argv[-1]


@pytest.mark.parametrize("answer", ["", _seconds(AT - timedelta(days=1))])
def test_another_answer_disagrees(answer: str) -> None:
    (found,) = Logs(Coordinator(answer), "logs", "run-backups").ship(AT, WELL)

    assert ("disagreement", "yamon.logs") == (found.kind, found.subject)
    assert "2031-05-01 04:02:00 UTC" in found.detail


def test_failed_run_is_not_the_last_that_finished() -> None:
    logs = Logs(Coordinator(_seconds(AT)), "logs", "run-backups")

    assert () == logs.ship(AT, WELL)
    assert () == logs.ship(AT, ILL)


def test_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(CannotVerify, match="does not answer: refused"):
        Logs(Coordinator("", status=1), "logs", "run-backups").last_finished()
