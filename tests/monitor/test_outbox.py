"""The outbox: attempts, order, what waits, what is given up, and what is told of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conformance.places import NOW, metrics
from tests.house.tree import ROOT
from tests.servers.programs import until
from tests.servers.receiver import Answer, Received, Receiver, run_receiver
from verifier.core.errors import DeliveryFailed
from verifier.core.finding import Finding
from verifier.monitor.delivery import Delivery
from verifier.monitor.outbox import Outbox, Patience, Time
from verifier.monitor.spool import ARRIVED_BYTES, Queue

NAME = "shelf"


@dataclass
class Shelf:
    """A sink in memory, which fails as often as it is told; a `Sink`.

    Attributes:
        failures: how many of the next attempts fail.
        takes_before: how many of an attempt arrive before it fails, and are said to.
        meanwhile: what else happens in an attempt.
    """

    batch: int = 1
    name: str = NAME
    failures: int = 0
    takes_before: int = 0
    got: list[int] = field(default_factory=list)
    agains: list[bool] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def takes(self, delivery: Delivery) -> bool:
        """Take everything."""
        return bool(delivery)

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Take them, or fail."""
        self.agains.append(again)
        self.meanwhile()
        if self.failures:
            self.failures -= 1
            self.got += map(_number, deliveries[: self.takes_before])
            raise DeliveryFailed(NAME, "full", "make room", arrived=self.takes_before)
        self.got += map(_number, deliveries)


class Hours:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.s = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(seconds)
        self.s += seconds

    @property
    def passing(self) -> Time:
        """It as the outbox takes it."""
        return Time(lambda: self.s, self.sleep)


@pytest.fixture
def shelf() -> Shelf:
    """A sink."""
    return Shelf()


@pytest.fixture
def hours() -> Hours:
    """Time."""
    return Hours()


@pytest.fixture
def outbox(shelf: Shelf, hours: Hours, tmp_path: Path) -> Outbox:
    """An outbox in front of it."""
    return Outbox([shelf], tmp_path, passing=hours.passing)


def told(*numbers: int) -> list[Delivery]:
    """Return deliveries of these numbers."""
    return [Delivery("alert", NOW, {"number": number}) for number in numbers]


def _number(delivery: Delivery) -> int:
    return int(str(delivery.body.get("number", 0)))


def _parcels(tmp_path: Path) -> list[Path]:
    return sorted(tmp_path.glob(f"{NAME}/*.json"))


def _details(findings: Iterable[Finding]) -> str:
    return " / ".join(f"{finding.subject}: {finding.detail}" for finding in findings)


def test_attempts_are_ever_further_apart(shelf: Shelf, hours: Hours, outbox: Outbox) -> None:
    shelf.failures = 2

    assert () == outbox.post(told(1), NOW)
    assert [0.5, 1.0] == hours.slept
    assert [False, True, True] == shelf.agains


def test_what_fails_waits_and_is_told(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    shelf.failures = 3
    (found,) = outbox.post(told(1), NOW)

    assert ("not-delivered", NAME, {"waiting": 1}) == (found.kind, found.subject, found.evidence)
    assert "full; 1 wait in the spool" == found.detail
    assert 1 == len(_parcels(tmp_path))


def test_what_waits_goes_first(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    shelf.failures = 6
    outbox.post(told(1, 2), NOW)
    outbox.post(told(3), NOW)
    outbox.post(told(4), NOW)

    assert [1, 2, 3, 4] == shelf.got
    assert [] == _parcels(tmp_path)


def test_what_waited_may_have_arrived(shelf: Shelf, outbox: Outbox) -> None:
    shelf.failures = 3
    outbox.post(told(1), NOW)
    shelf.agains.clear()
    outbox.post(told(2), NOW)

    assert [True, False] == shelf.agains


def test_what_arrived_of_a_batch_is_not_sent_again(
    hours: Hours, tmp_path: Path, shelf: Shelf
) -> None:
    shelf.batch, shelf.failures, shelf.takes_before = 5, 3, 1
    outbox = Outbox([shelf], tmp_path, passing=hours.passing)
    outbox.post(told(1, 2, 3, 4, 5), NOW)

    assert [1, 2, 3] == shelf.got

    outbox.flush(NOW)

    assert [1, 2, 3, 4, 5] == shelf.got


def test_the_same_delivery_is_sent_once(shelf: Shelf, outbox: Outbox) -> None:
    outbox.post(told(1, 2, 1), NOW)
    outbox.post(told(2), NOW)

    assert [1, 2] == shelf.got


def test_the_same_delivery_waits_twice_and_is_sent_once(shelf: Shelf, outbox: Outbox) -> None:
    """Who was killed before it could note what it had posted posts it again."""
    shelf.failures = 6
    outbox.post(told(1, 2), NOW)
    outbox.post(told(1, 2, 3), NOW)
    outbox.flush(NOW)

    assert [1, 2, 3] == shelf.got


def test_what_arrived_long_ago_is_forgotten(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    outbox.post(told(1), NOW)
    file = tmp_path / NAME / "arrived"
    file.write_text(f"{0:032x}\n" * (ARRIVED_BYTES // 33 + 1) + file.read_text())
    outbox.post(told(1), NOW)

    assert [1] == shelf.got
    assert file.stat().st_size <= ARRIVED_BYTES // 2


def test_flush_of_nothing_asks_nobody(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    assert () == outbox.flush(NOW)
    assert [] == shelf.agains
    assert [] == list(tmp_path.iterdir())


def test_kept_deliveries_are_sent_by_the_next(shelf: Shelf, outbox: Outbox) -> None:
    assert () == outbox.keep(told(1), NOW)
    assert [] == shelf.got

    outbox.flush(NOW)

    assert [1] == shelf.got


def test_time_limit_ends_the_attempts(shelf: Shelf, hours: Hours, tmp_path: Path) -> None:
    """Ten attempts of up to 10 s may take 100 s together; each takes 30 here."""
    shelf.failures = 10
    shelf.meanwhile = lambda: hours.sleep(30)
    patience = Patience(attempts=10, timeout_s=10)
    (found,) = Outbox([shelf], tmp_path, patience, passing=hours.passing).post(told(1, 2), NOW)

    assert 4 == len(shelf.agains)
    assert {"waiting": 2} == found.evidence


def test_sink_that_keeps_to_no_limit_keeps_nobody(shelf: Shelf, tmp_path: Path) -> None:
    let_go = threading.Event()
    shelf.meanwhile = let_go.wait
    patience = Patience(attempts=1, timeout_s=0.1)
    (found,) = Outbox([shelf], tmp_path, patience).post(told(1), NOW)
    let_go.set()

    assert "no answer in 0.1 s; 1 wait in the spool" == found.detail


def test_fault_of_a_sink_is_a_finding(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    def fail() -> None:
        raise KeyError("host")

    shelf.meanwhile = fail

    assert "KeyError: 'host'; 1 wait in the spool" in _details(outbox.post(told(1), NOW))


def test_old_deliveries_are_given_up_and_told(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    shelf.failures = 9
    outbox.post(told(1), NOW)
    outbox.post(told(2), NOW + timedelta(days=29))
    (found,) = outbox.post(told(3), NOW + timedelta(days=31))

    assert {"waiting": 2, "given_up": 1} == found.evidence
    assert "1 given up: waiting for more than 30 days" in found.detail

    outbox.flush(NOW + timedelta(days=31))

    assert [2, 3] == shelf.got


def test_old_deliveries_are_tried_once_more(shelf: Shelf, outbox: Outbox) -> None:
    shelf.failures = 3
    outbox.post(told(1), NOW)

    assert () == outbox.flush(NOW + timedelta(days=365))
    assert [1] == shelf.got


def test_spool_is_bounded_by_the_oldest(shelf: Shelf, hours: Hours, tmp_path: Path) -> None:
    shelf.failures = 9
    Outbox([shelf], tmp_path).keep(told(1), NOW)
    limit_bytes = _parcels(tmp_path)[0].stat().st_size * 5 // 2
    outbox = Outbox([shelf], tmp_path, Patience(limit_bytes=limit_bytes), passing=hours.passing)
    for number in (2, 3):
        findings = outbox.post(told(number), NOW)

    assert {"waiting": 2, "given_up": 1} == findings[0].evidence
    assert sum(path.stat().st_size for path in _parcels(tmp_path)) <= limit_bytes


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b'{"schema": 1, "put": "20',
        b"\xff\xfe",
        b"[]",
        b'{"put": "2026-03-01", "deliveries": []}',
    ],
)
def test_torn_file_stops_no_other(
    shelf: Shelf, outbox: Outbox, tmp_path: Path, torn: bytes
) -> None:
    outbox.keep(told(1, 2, 3), NOW)
    path = _parcels(tmp_path)[1]
    path.write_bytes(torn)
    (found,) = outbox.flush(NOW)

    assert [1, 3] == shelf.got
    assert {"torn": 1} == found.evidence
    assert torn == path.with_suffix(".torn").read_bytes(), "it is set aside, not lost"
    assert () == outbox.flush(NOW), "and told once"


def test_changed_content_is_seen(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    outbox.keep(told(1), NOW)
    (path,) = _parcels(tmp_path)
    path.write_text(path.read_text().replace('"number":1', '"number":7'))
    outbox.flush(NOW)

    assert [] == shelf.got


def test_foreign_files_are_left_alone(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    outbox.keep(told(1), NOW)
    foreign = [tmp_path / NAME / name for name in ("README", "1.json", ".000000000001.json.swp")]
    for path in foreign:
        path.write_text("mine")
    (tmp_path / NAME / "000000000000.json").mkdir()
    outbox.flush(NOW)

    assert [1] == shelf.got
    assert ["mine"] * 3 == [path.read_text() for path in foreign]


def test_spool_that_cannot_be_used_stops_no_sink(
    shelf: Shelf, hours: Hours, tmp_path: Path
) -> None:
    (tmp_path / "spool").write_text("in the way")
    outbox = Outbox([shelf], tmp_path / "spool", passing=hours.passing)
    (found,) = outbox.post(told(1, 2), NOW)

    assert [1, 2] == shelf.got
    assert "the spool cannot be used: Not a directory" == found.detail


def test_loss_is_told(shelf: Shelf, hours: Hours, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    shelf.failures = 99
    outbox = Outbox([shelf], tmp_path / "spool", passing=hours.passing)
    (found,) = outbox.post(told(1, 2), NOW)

    assert {"lost": 2} == found.evidence


def test_newest_metrics_are_worth_all_before(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    shelf.failures = 9
    for number in (1, 2, 3):
        outbox.post([metrics(number)], NOW)

    assert 1 == len(_parcels(tmp_path))

    outbox.post(told(4), NOW)

    assert [0, 4] == shelf.got, "and are no reason to drop anything else"


def test_another_sender_is_waited_for_no_longer_than_the_limit(
    shelf: Shelf, outbox: Outbox, hours: Hours, tmp_path: Path
) -> None:
    with Queue(tmp_path / NAME).hold() as alone:
        assert alone()
        (found,) = outbox.post(told(1), NOW)

    assert "another process is sending to it; 1 wait in the spool" == found.detail
    assert 30 <= sum(hours.slept) < 31
    assert () == outbox.flush(NOW)
    assert ([1], [True]) == (shelf.got, shelf.agains), "that one may have sent it"


def test_leftovers_of_killed_writers_go(shelf: Shelf, outbox: Outbox, tmp_path: Path) -> None:
    left = tmp_path / NAME / ".0123456789abcdef.part"
    left.parent.mkdir()
    left.write_text("half of it")
    outbox.post(told(1), NOW)

    assert not left.exists()
    assert {"arrived", "lock"} == {path.name for path in left.parent.iterdir()}


@contextmanager
def _worker(spool: Path, receiver: Receiver, *words: object) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "tests.monitor.outbox_worker", str(spool), receiver.url]
    worker = subprocess.Popen(
        [*argv, *map(str, words)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def _bodies(receiver: Receiver) -> list[dict[str, object]]:
    """Return what a receiver that takes a key once has taken, in order."""
    taken = {got.headers["idempotency-key"]: json.loads(got.body) for got in receiver.received}
    return [one["body"] for one in taken.values()]


@pytest.mark.heavy
def test_kill_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    """Goal: what was posted arrives though the process is killed again and again.

    Method: SIGKILL while a request is answered, and just after it was, in turn; the next process
    takes up where the killed one was. Red: without the spool, or with another order of its files.
    """
    last = 6
    victims: list[subprocess.Popen[str]] = []
    killed = set[int]()

    def answer(got: Received) -> Answer:
        number = json.loads(got.body)["body"]["number"]
        if number % 3 == 0 and number not in killed:
            killed.add(number)
            victims[-1].send_signal(signal.SIGKILL)
        return Answer()

    with run_receiver(answer) as receiver:
        first = 1
        while first <= last:
            with _worker(tmp_path, receiver, first, last) as worker:
                victims.append(worker)
                said = worker.stdout
                assert said is not None
                posted = [int(line.split()[0]) for line in said if line.endswith("\n")]
            # The first that nobody says to be posted may be in the spool, or not at all.
            first = max(posted, default=first - 1) + 1
            if first <= last:
                assert 1 == len(list(tmp_path.glob("webhook/*.json"))), "it was being answered"

        assert list(range(1, last + 1)) == [one["number"] for one in _bodies(receiver)]
        assert last + len(killed) == len(receiver.received), "what was in doubt came again"
        assert 3 == len(victims)


@pytest.mark.heavy
def test_processes_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    """Goal: a daemon and a timer may send at the same time. Red: without the lock of the folder."""
    with run_receiver() as receiver:
        # One parcel is older than both.
        receiver.mood = "refuse"
        with _worker(tmp_path, receiver, 0, 0, "before") as worker:
            worker.wait()
        receiver.mood = "accept"
        with (
            _worker(tmp_path, receiver, 1, 20, "daemon") as one,
            _worker(tmp_path, receiver, 1, 20, "timer") as two,
        ):
            assert (0, 0) == (one.wait(), two.wait())
        bodies = _bodies(receiver)

    assert "before" == bodies[0]["from"]
    for name in ("daemon", "timer"):
        assert list(range(1, 21)) == [one["number"] for one in bodies if one["from"] == name]
    assert 41 == len(receiver.received), "nothing was sent twice"
    until(lambda: not list(tmp_path.glob("webhook/*.json")), "nothing waits", limit_s=1)
