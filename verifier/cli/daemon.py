"""`restic-verify daemon`: the jobs of `verify.toml` where there is no systemd."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.report import Coverage, Report, conclude
from verifier.cycle.daemon import Daemon, Message, Reload, Stop

if TYPE_CHECKING:
    from verifier.cli.daemon_work import Journal, Worker


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    from verifier.cli.drilling import CONFIG_FILES

    add = parser.add_argument
    looked = ", then ".join(CONFIG_FILES)
    add("--config", metavar="FILE", help=f"the configuration (default: {looked})")
    add(
        "--log-format",
        choices=("logfmt", "json"),
        default="logfmt",
        help="one line an event on standard error: logfmt, or an object of JSON each",
    )


def run(options: argparse.Namespace, context: Context) -> Report:
    """Start jobs until a signal says to stop, and conclude: 0 where everything was put in order."""
    from verifier.cli.daemon_work import Journal, open_worker
    from verifier.cli.drilling import find_config

    started_at = context.clock.now()
    file = find_config(options.config).absolute()
    messages: SimpleQueue[Message] = SimpleQueue()
    journal = Journal(context, options.log_format)
    with _in_utc(), open_worker(file, context, journal, messages) as worker:
        daemon = Daemon(context.clock, worker.memory, worker, messages)
        with _heard(messages):
            stop = _loop(daemon, worker, journal)
            journal.tell("stopping", {"signal": stop.reason})
            worker.end_all()
            daemon.settle()
            journal.tell("stopped", {"started": daemon.started})
    return conclude(
        "daemon",
        (),
        Coverage("jobs", len(worker.jobs), len(worker.jobs)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"config": str(file), "config_sha256": worker.config.digest()},
        measurements={"runs_started": daemon.started},
    )


def _loop(daemon: Daemon, worker: Worker, journal: Journal) -> Stop:
    journal.tell("running", {"jobs": ",".join(worker.jobs), "pid": os.getpid()})
    daemon.load(worker.due)
    while True:
        stop = daemon.turn(wait=True)
        if stop is not None:
            return stop


@contextmanager
def _heard(messages: SimpleQueue[Message]) -> Iterator[None]:
    """Turn signals into messages during the block; a queue of this kind takes them at any time."""

    def stop(number: int, _frame: FrameType | None) -> None:
        messages.put(Stop(signal.Signals(number).name))

    def reload(_number: int, _frame: FrameType | None) -> None:
        messages.put(Reload())

    wanted = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: reload}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _in_utc() -> Iterator[None]:
    # `schedule` reckons with the zone of its process, and drifts by an hour where that one changes
    # its clocks. The jobs get the environment that we were given.
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if zone is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = zone
        time.tzset()
