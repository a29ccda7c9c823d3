"""A place for every sink: what it sends to, how that is made to misbehave, and what arrived there.

A new sink gets a class here and a line in `PLACES`, and has the whole suite.
"""

from __future__ import annotations

import json
import re
import socket
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from tests.servers.clickhouse import ClickHouseServer
from tests.servers.prometheus import Pushgateway as Gateway
from tests.servers.receiver import Mood, Receiver, gate, run_receiver
from verifier.core.finding import Finding, Verdict
from verifier.core.report import Coverage, conclude
from verifier.monitor.delivery import (
    Delivery,
    Sink,
    backup_delivery,
    end_delivery,
    log_delivery,
    metrics_delivery,
    report_delivery,
)
from verifier.monitor.notices import first_notice
from verifier.monitor.sinks.apprise import Channel
from verifier.monitor.sinks.clickhouse import ClickHouse
from verifier.monitor.sinks.journal import Journal
from verifier.monitor.sinks.ping import Ping
from verifier.monitor.sinks.pushgateway import Pushgateway
from verifier.monitor.sinks.textfile import Textfile
from verifier.monitor.sinks.webhook import Webhook
from verifier.monitor.telemetry import BackupRun, LogLine

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
PATIENT_S = 30.0
IMPATIENT_S = 0.25
"""For what hangs anyway: nothing else has to be quick."""

Made = Callable[[float], Sink]
"""From a time limit to a sink."""
SECRET = "a-secret/of §words"


class FrozenClock:
    """Always the same instant; a `Clock`."""

    def now(self) -> datetime:
        """Return it."""
        return NOW


class Place(Protocol):
    """What a sink sends to."""

    @property
    def make_sink(self) -> Made:
        """Makes a sink that sends there."""
        ...

    def delivery(self, number: int) -> Delivery:
        """Return one that the sink takes; the number is in it, and later ones are later."""
        ...

    def behave(self, mood: Mood) -> None:
        """Meet everything so from now on."""
        ...

    def arrived(self) -> list[int]:
        """Return the numbers of what arrived, in order, each as often as its reader sees it."""
        ...


@dataclass
class Served:
    """A place behind a receiver or a gate."""

    make_sink: Made
    receiver: Receiver
    make: Callable[[int], Delivery]
    read: Callable[[], list[int]]
    secrets: Sequence[str] = ()

    def delivery(self, number: int) -> Delivery:
        """Return one of its kind."""
        return self.make(number)

    def behave(self, mood: Mood) -> None:
        """Tell the receiver."""
        if mood in {"hang", "trickle"}:
            self.receiver.let_go.clear()
        else:
            # Those who hang are let go, as by a server that is started anew.
            self.receiver.let_go.set()
        self.receiver.mood = mood

    def arrived(self) -> list[int]:
        """Ask whatever is behind."""
        return self.read()


def instant(number: int) -> datetime:
    """Return when something of this number happened."""
    return NOW + timedelta(seconds=number)


def log(number: int) -> Delivery:
    """Return a line of a log, with what text may hold."""
    return log_delivery(
        LogLine(instant(number), "jak", "run-backups", f"it's \\ ü\udcff\n#{number}")
    )


def backup(number: int) -> Delivery:
    """Return the telemetry of a backup."""
    return backup_delivery(
        BackupRun("web1", instant(number), 1.5, 0, "2099a2b0", "0.18.0", number, 0, 7, 1 << 40)
    )


def report(number: int) -> Delivery:
    """Return a report with a finding."""
    late = Finding("late", "web1", f"#{number}")
    at = instant(number)
    coverage = Coverage("snapshots", 1, 2)
    return report_delivery(
        conclude(
            "audit", (late,), coverage, started_at=at, finished_at=at, tool={"restic-verify": "1"}
        ).envelope()
    )


def notice(number: int) -> Delivery:
    """Return what people hear of such a report."""
    (told,) = first_notice(report(number).body)
    return told


def metrics(number: int) -> Delivery:
    """Return an exposition."""
    return metrics_delivery(f"# TYPE told gauge\ntold {number}\n", instant(number))


def end(number: int) -> Delivery:
    """Return the end of a job."""
    return end_delivery("monthly", Verdict.OK, f"#{number}", instant(number))


def numbers(text: str) -> list[int]:
    """Return the numbers that a text names, in order."""
    return [int(found) for found in re.findall(r"#(\d+)", text)]


@contextmanager
def clickhouse(kind: Callable[[int], Delivery], server: ClickHouseServer) -> Iterator[Served]:
    """A real ClickHouse behind a gate: rows count as they are there, order as they went in."""
    tables = {log: "logs", report: "verifications", backup: "backups"}
    column = {log: "data", report: "report", backup: "files_new"}[kind]

    def read() -> list[int]:
        if "yamon" not in server.databases():
            return []
        table = f"yamon.{tables[kind]}"
        rows = server.rows(f"SELECT {column} AS told FROM {table} ORDER BY `when`")  # noqa: S608
        there = [int(r["told"]) if kind is backup else numbers(r["told"])[0] for r in rows]
        went = dict.fromkeys(
            number
            for request in before.received
            if "INSERT" in urllib.parse.unquote_plus(request.path)
            for line in request.body.decode().splitlines()
            for number in ([json.loads(line)["files_new"]] if kind is backup else numbers(line))
        )
        assert there == sorted(went), "what it has is what it was sent"
        return [number for number in went for _ in range(there.count(number))]

    with gate(server.url) as before:
        names = "yamon", "logs", "verifications", "backups"
        login = server.user, server.password
        yield Served(
            lambda s: ClickHouse(before.url, *names, login=login, timeout_s=s),
            before,
            kind,
            read,
            (server.password,),
        )


@contextmanager
def webhook() -> Iterator[Served]:
    """A receiver that takes a key once, as docs/sinks.md asks of it."""
    with run_receiver() as receiver:

        def read() -> list[int]:
            told = {got.headers["idempotency-key"]: got.body.decode() for got in receiver.received}
            return [numbers(body)[0] for body in told.values()]

        url = f"{receiver.url}/hook"
        yield Served(
            lambda s: Webhook(url, SECRET, FrozenClock(), timeout_s=s),
            receiver,
            report,
            read,
            (SECRET,),
        )


@contextmanager
def ping() -> Iterator[Served]:
    """A service that takes the same ping again as one."""
    with run_receiver() as receiver:

        def read() -> list[int]:
            return list(dict.fromkeys(numbers(got.body.decode())[0] for got in receiver.received))

        path = urllib.parse.quote(SECRET, safe="")
        url = f"{receiver.url}/{path}"
        yield Served(
            lambda s: Ping("ping-monthly", "monthly", url, timeout_s=s),
            receiver,
            end,
            read,
            (path, SECRET),
        )


@contextmanager
def apprise() -> Iterator[Served]:
    """A channel of people, by Apprise's own JSON. What is in doubt they are told again."""
    with run_receiver() as receiver:

        def read() -> list[int]:
            return list(dict.fromkeys(numbers(got.body.decode())[0] for got in receiver.received))

        path = urllib.parse.quote(SECRET, safe="")
        url = f"{receiver.url.replace('http', 'json', 1)}/{path}"
        yield Served(
            lambda s: Channel(
                "discord", lambda: url, reports="WARNING", timeout=timedelta(seconds=s)
            ),
            receiver,
            notice,
            read,
            (path, SECRET),
        )


@contextmanager
def pushgateway(gateway: Gateway) -> Iterator[Served]:
    """A real Pushgateway behind a gate: the newest counts."""

    def read() -> list[int]:
        return [
            int(float(found)) for found in re.findall(r"^told{.*} (\S+)", gateway.metrics(), re.M)
        ]

    with gate(gateway.url) as before:
        yield Served(
            lambda s: Pushgateway(before.url, "restic-verify", timeout_s=s), before, metrics, read
        )


class File:
    """A file of metrics in a folder that can be taken away: the newest counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "collected"
        self._folder.mkdir()
        self.make_sink: Made = lambda _: Textfile(self._folder / "restic.prom")

    def delivery(self, number: int) -> Delivery:
        """Return an exposition."""
        return metrics(number)

    def behave(self, mood: Mood) -> None:
        """Take the folder away, or bring it back."""
        away = self._folder.with_name("away")
        if mood == "refuse":
            self._folder.rename(away)
        elif away.exists():
            away.rename(self._folder)

    def arrived(self) -> list[int]:
        """Read the file."""
        file = self._folder / "restic.prom"
        return [int(file.read_text().split()[-1])] if file.exists() else []


class Datagrams:
    """A socket as journald's, which can be away, or be read by nobody."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._at = folder / "socket"
        self._read: list[int] = []
        self._line = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._line.bind(str(folder / "read"))
        self._line.setblocking(False)
        self._full = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._full.bind(str(folder / "full"))
        self._filler = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._filler.setblocking(False)
        self.make_sink: Made = lambda s: Journal(timeout_s=s, socket_file=self._at)
        self.behave("accept")

    def delivery(self, number: int) -> Delivery:
        """Return a report."""
        return report(number)

    def behave(self, mood: Mood) -> None:
        """Take the socket away, or put the one there that is full."""
        self._at.unlink(missing_ok=True)
        if mood == "hang":
            try:
                while True:
                    self._filler.sendto(b"MESSAGE=full\n", str(self._full.getsockname()))
            except BlockingIOError:
                self._at.symlink_to("full")
        elif mood == "accept":
            self._at.symlink_to("read")

    def arrived(self) -> list[int]:
        """Read what has come."""
        try:
            while True:
                self._read.append(numbers(self._line.recv(1 << 20).decode())[0])
        except BlockingIOError:
            return self._read
