"""What root makes by hand in the folder of a service's user is that user's, and stops nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drill.unprivileged import NOBODY, as_nobody
from verifier.core.errors import DeliveryFailed
from verifier.drill.ledger import open_ledger
from verifier.drill.writer import Writer
from verifier.monitor.delivery import Delivery
from verifier.monitor.evidence.folder import append
from verifier.monitor.history.memory import open_history
from verifier.monitor.outbox import Outbox, Patience

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes what is another user's")

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
ONCE = Patience(attempts=1)


@dataclass
class Shelf:
    """A sink in memory; a `Sink`."""

    name: str = "shelf"
    batch: int = 1
    full: bool = False
    got: list[object] = field(default_factory=list)

    def takes(self, delivery: Delivery) -> bool:
        """Take everything."""
        return bool(delivery)

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Take them, or fail."""
        if self.full:
            raise DeliveryFailed(self.name, "full", "make room")
        self.got += [delivery.body["number"] for delivery in deliveries]


@pytest.fixture
def state() -> Iterator[Path]:
    """The state folder of a service that runs as nobody, as systemd makes it."""
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def told(number: int) -> list[Delivery]:
    return [Delivery("alert", NOW, {"number": number})]


def owners(folder: Path) -> set[tuple[str, int, int]]:
    """Return what below a folder is not nobody's alone, with its owner and mode."""
    seen = [(path, path.stat()) for path in folder.rglob("*")]
    assert seen
    return {
        (path.name, stat.st_uid, stat.st_mode & 0o777)
        for path, stat in seen
        if stat.st_uid != NOBODY or stat.st_gid != NOBODY
    }


def sent_by_nobody(spool: Path) -> list[object]:
    shelf = Shelf()
    findings = Outbox([shelf], spool, ONCE).post(told(9), NOW)
    return [shelf.got, [finding.detail for finding in findings]]


def test_what_root_puts_is_sent_by_the_service(state: Path) -> None:
    spool = state / "spool"
    Outbox([Shelf()], spool, ONCE).post(told(0), NOW)
    Outbox([Shelf(full=True)], spool, ONCE).post(told(1), NOW)

    assert set() == owners(state)
    assert [[1, 9], []] == as_nobody(lambda: sent_by_nobody(spool))


def test_parcel_that_may_not_be_read_stays_and_stops_no_other(state: Path) -> None:
    """Red where it is taken for a torn one: set aside, it was never sent by anybody."""
    spool = state / "spool"
    Outbox([Shelf()], spool, ONCE).keep([*told(1), *told(2)], NOW)
    first, _ = sorted(spool.glob("shelf/*.json"))
    os.chown(first, 0, 0)

    got, (said,) = as_nobody(lambda: sent_by_nobody(spool))
    assert [2, 9] == got
    assert f"{first} cannot be read: Permission denied: run it as root, who owns {first}" in said
    assert "1 wait in the spool" in said
    assert [first] == sorted(spool.glob("shelf/*.json"))

    os.chown(first, NOBODY, NOBODY)
    assert [[1], []] == as_nobody(lambda: sent_by_nobody(spool))


def test_history_ledger_and_evidence_are_the_services(state: Path) -> None:
    with open_history(state / "own" / "history.sqlite") as history:
        history.set_cursor("journal", "1")
    with open_ledger(state / "ledger.sqlite"):
        Writer(state / "ledger.sqlite").acquire(NOW)
    append(state / "evidence", "audit", lambda *_: b"{}")

    assert set() == owners(state)

    def go_on() -> str:
        with open_history(state / "own" / "history.sqlite") as history:
            history.set_cursor("journal", "2")
        append(state / "evidence", "audit", lambda *_: b"{}")
        return "went on"

    assert "went on" == as_nobody(go_on)


def test_what_a_killed_signer_left_as_root_is_in_nobodys_way(state: Path) -> None:
    append(state / "evidence", "audit", lambda *_: b"{}")
    left = state / "evidence" / ".new"
    left.write_bytes(b"half")
    left.chmod(0o600)

    def go_on() -> int:
        return append(state / "evidence", "audit", lambda *_: b"{}").number

    assert 2 == as_nobody(go_on)


def test_link_that_was_put_there_gives_nothing_away(state: Path) -> None:
    """The lock's name leads to a file of root: it stays root's."""
    secret = Path(tempfile.mkdtemp()) / "secret"
    secret.write_text("root's")
    (state / "spool" / "shelf").mkdir(parents=True)
    (state / "spool" / "shelf" / "lock").symlink_to(secret)
    Outbox([Shelf()], state / "spool", ONCE).post(told(1), NOW)

    assert 0 == secret.stat().st_uid
