"""What the daemon has done: each job is a command in a child process of its own.

The coordinator's script says on its standard output what its unit would say in the journal; what it
said is remembered, and told to the sinks, when it has ended.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.daemon_said import Said, begin
from verifier.cli.output import put
from verifier.config.load import load
from verifier.core.errors import CannotVerify, VerifyError
from verifier.core.host import Command, Completed
from verifier.cycle.daemon import Claim, Ended, Message
from verifier.cycle.timetable import Due, timetable
from verifier.cycle.units import collect_words
from verifier.fleet.local import LocalHost
from verifier.fleet.locked import is_held, locked, was_held
from verifier.monitor.history.memory import History, open_history

if TYPE_CHECKING:
    from verifier.config.models import Config

GRACE_S = 8.0
"""Between SIGTERM and SIGKILL; less than the ten seconds that a container is given."""

RUN_BACKUPS = "/usr/local/bin/run-backups"
"""The coordinator's script, or the user's own in its place, as `render` installs it."""

LIMITS: Mapping[str, timedelta] = {
    "backups": timedelta(hours=24),
    "monthly": timedelta(hours=72),
    "collect": timedelta(minutes=30),
    "alert": timedelta(minutes=30),
    "tidy": timedelta(hours=2),
}
"""How long a job may take before it is ended."""

CUT_OFF = 137
"""The status of a run whose end nobody heard: that of SIGKILL."""

_WORDS = {"tidy": ("history", "tidy")}
"""Job -> the command, where that has another name."""

_TOLD_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Journal:
    """Where events are told: one line each on standard error."""

    context: Context
    form: str

    def tell(self, event: str, facts: Mapping[str, object], *, level: str = "info") -> None:
        """Tell of an event."""
        now = self.context.clock.now()
        line = {"at": now, "level": level, "event": event, **facts}
        put(self.context.err, (_json if self.form == "json" else _logfmt)(line) + "\n")


def _plain(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _json(line: Mapping[str, object]) -> str:
    return json.dumps({name: _plain(value) for name, value in line.items()})


def _logfmt(line: Mapping[str, object]) -> str:
    return " ".join(f"{name}={_quoted(_plain(value))}" for name, value in line.items())


def _quoted(value: object) -> str:
    text = str(value)
    bare = text.isascii() and text.isprintable() and text and not set(text) & set(' "=\\')
    return text if bare else json.dumps(text)


@dataclass(frozen=True, slots=True)
class Stamps:
    """What is remembered of the runs: cursors of the history, which daemons share."""

    history: History

    def claim(self, job: str) -> Claim | None:
        """Return the newest claim of a job."""
        try:
            stored = json.loads(self.history.cursor(_name(job)))
            return Claim(datetime.fromisoformat(stored["due"]), stored["ended"], stored["tries"])
        except (ValueError, KeyError, TypeError):
            return None

    def put(self, job: str, claim: Claim, *, before: Claim | None) -> bool:
        """Put a claim in the place of the one before; not where that is another one by now."""
        with self.history.together():
            if self.claim(job) != before:
                return False
            self._set(job, claim)
            return True

    def close(self, job: str, due_at: datetime) -> None:
        """Remember that the run which was due then has ended, if it is still the newest."""
        with self.history.together():
            newest = self.claim(job)
            if newest is not None and newest.due_at == due_at:
                self._set(job, Claim(due_at, ended=True, tries=newest.tries))

    def _set(self, job: str, claim: Claim) -> None:
        stored = {"due": claim.due_at.isoformat(), "ended": claim.ended, "tries": claim.tries}
        self.history.set_cursor(_name(job), json.dumps(stored))


def _name(job: str) -> str:
    return f"daemon {job}"


@contextmanager
def open_worker(
    file: Path, context: Context, journal: Journal, messages: SimpleQueue[Message]
) -> Iterator[Worker]:
    """Give what does the daemon's work; whatever it runs is ended with the block.

    Raises:
        ConfigError: the configuration cannot be obeyed.
        CannotVerify: its history cannot be opened.
    """
    config = load(file, context.environ)
    with (
        open_history(Path(config.history.file)) as history,
        ThreadPoolExecutor(max_workers=len(LIMITS) + 1) as threads,
    ):
        worker = Worker(file, config, context, journal, messages, Stamps(history), threads)
        try:
            yield worker
        finally:
            worker.end_all()


class Worker:
    """Starts jobs in threads that wait for their processes; a `Work`."""

    def __init__(
        self,
        file: Path,
        config: Config,
        context: Context,
        journal: Journal,
        messages: SimpleQueue[Message],
        memory: Stamps,
        threads: ThreadPoolExecutor,
    ) -> None:
        self.config = config
        self.memory = memory
        self.tell = journal.tell
        self._file = file
        self._context = context
        self._messages = messages
        self._threads = threads
        self._host = LocalHost(env=context.environ, grace_s=GRACE_S, ending=signal.SIGTERM)
        self._ending = False

    @property
    def due(self) -> Mapping[str, Due]:
        """When each job is due."""
        return {name: due for name, due in timetable(self.config).items() if self._can(name)}

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs that are started here."""
        return tuple(self.due)

    def start(self, job: str, due_at: datetime) -> None:
        """Start a job; an `Ended` follows in the queue of messages."""
        self._threads.submit(self._run, job, self.config)

    def held(self, job: str) -> bool:
        """Say whether some process, of whichever daemon, runs the job."""
        try:
            return is_held(self._lock(job, self.config))
        except OSError:
            return False

    def reload(self) -> Mapping[str, Due] | None:
        """Read the configuration again and return the new timetable; none where it is broken."""
        try:
            self.config = load(self._file, self._context.environ)
        except VerifyError as error:
            message = f"{error.subject}: {error.message}"
            self.tell("not-reloaded", {"why": message, "remedy": error.remedy}, level="error")
            return None
        self.tell("reloaded", {"jobs": ",".join(self.jobs)})
        return self.due

    def end_all(self) -> None:
        """End every job that runs, and start no more."""
        self._ending = True
        self._host.end_all()

    def _can(self, job: str) -> bool:
        # Without a journal there is nothing to collect; what is run here is remembered anyway.
        from_table = self.config.alerts.source == "clickhouse"
        return job != "collect" or from_table or Path("/run/systemd/journal/socket").exists()

    def _lock(self, job: str, config: Config) -> Path:
        return Path(config.history.file).with_name(f"daemon-{job}.lock")

    def _run(self, job: str, config: Config) -> None:
        try:
            ended = self._ended(job, config)
        except Exception as error:  # noqa: BLE001 - a fault here must not leave the job running
            ended = Ended(job, 3, detail=f"{type(error).__name__}: {error}")
        self._messages.put(ended)

    def _ended(self, job: str, config: Config) -> Ended:
        if job == "backups" and not self.held(job):
            # What a run said that a daemon before us did not live to hear the end of.
            self._told(config, CUT_OFF)
            # Beside it: whoever does not answer must not hold a backup up.
            self._threads.submit(begin, config, self._context)
        command = self._command(job, config)
        begun_s = time.perf_counter()
        try:
            done = self._host.run(command, timeout_s=LIMITS[job].total_seconds())
        except CannotVerify as error:
            status, detail = 3, error.message[:_TOLD_LONGEST]
        else:
            if was_held(done.status, done.stderr):
                return Ended(job, None, held=True)
            status, detail = done.status, _last(done) if done.status else ""
        if job == "backups":
            detail = self._told(config, status) or detail
        duration_s = time.perf_counter() - begun_s
        return Ended(job, None if self._ending else status, duration_s, detail=detail)

    def _command(self, job: str, config: Config) -> Command:
        if job != "backups":
            asked = collect_words(config) if job == "collect" else _WORDS.get(job, (job,))
            words = (*asked, "--config", str(self._file))
            argv = (sys.executable, "-m", "verifier", *words)
            return Command(locked(self._lock(job, config), argv))
        began_at = self._context.clock.now()
        said = Said.of(config)
        # One stream, so that what restic complains of stays before the line of its stage; and into
        # a file, so that it outlives us. The lock comes first: it may be another daemon's file.
        script = f'printf "%s\\n" {began_at.isoformat()} >"$1" && exec "$0" >>"$1" 2>&1'
        argv = ("/bin/sh", "-c", script, RUN_BACKUPS, str(said.file))
        return Command(locked(self._lock(job, config), argv))

    def _told(self, config: Config, status: int) -> str:
        """Remember what the coordinator's script said, and tell it; return its last line."""
        said = Said.of(config)
        for finding in said.record(self._context, status, send=not self._ending):
            facts = {"sink": finding.subject, "why": finding.detail}
            self.tell(finding.kind, facts, level="warning")
        return said.last[:_TOLD_LONGEST] if status else ""


def _last(done: Completed) -> str:
    said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
    return said[-1].strip()[:_TOLD_LONGEST] if said else ""
