"""What the daemon starts for a job, without starting it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import pytest

from tests.cycle.test_render import changed
from tests.cycle.test_units import TABLE
from verifier.cli.context import Context
from verifier.cli.daemon_work import Worker
from verifier.clock.system import SystemClock
from verifier.core.host import Command


class Told:
    """A host that only writes down what it is told to run."""

    def __init__(self) -> None:
        self.argv: tuple[str, ...] = ()

    def run(self, command: Command, **_: object) -> None:
        """Write it down, and end the thread that asked."""
        self.argv = command.argv
        raise RuntimeError("nothing is run here")


class AtOnce:
    """Threads that wait for nothing."""

    def submit(self, work: Any, *arguments: Any) -> Future[None]:
        """Do it."""
        work(*arguments)
        return Future()


@pytest.mark.parametrize(
    ("tables", "words"), [({}, ["collect"]), (TABLE, ["collect", "--from", "clickhouse"])]
)
def test_what_is_in_a_table_is_collected_from_there(
    tmp_path: Path, tables: dict[str, Any], words: list[str]
) -> None:
    config = changed(history={"file": f"{tmp_path}/h", "spool": f"{tmp_path}/s"}, **tables)
    context = Context(SystemClock(), os.environ, sys.stderr)
    threads, nothing = cast(ThreadPoolExecutor, AtOnce()), cast(Any, None)
    journal = cast(Any, type("Journal", (), {"tell": None}))
    worker = Worker(
        tmp_path / "verify.toml", config, context, journal, SimpleQueue(), nothing, threads
    )
    host = worker._host = cast(Any, Told())
    worker.start("collect", datetime(2024, 1, 1, tzinfo=UTC))

    start = host.argv.index("collect")
    assert [*words, "--config"] == list(host.argv[start : start + len(words) + 1])
    assert not tables or "collect" in worker.jobs
