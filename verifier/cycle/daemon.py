"""The loop that starts jobs where there is no systemd. It knows no job's work.

The `schedule` library rings when a job is due; whether it is due is decided anew by the clock at
every ring, so that a clock that is set, or a machine that slept, starts nothing twice and misses
nothing. `schedule` reckons with the machine's own zone: the process is to live in UTC.

A run is claimed before it starts, in a memory that other daemons share and that outlives this one:
nobody runs the same one again, and one that was cut off, by `kill -9` or a power cut, is made up
for once. What is due while the same job still runs is passed over, as by a timer of systemd.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Protocol

import schedule

from verifier.core.clock import Clock
from verifier.cycle.timetable import Due, Every

LOOK = timedelta(seconds=30)
"""How long it waits at most before it looks at the clock again: that may have been set."""

RETRY = timedelta(seconds=2)
"""How often it is looked whether what others run, or ran, has ended."""

SETTLE = timedelta(seconds=30)
"""How long a run that has been ended may take until that is heard: what it said is written down."""

TRIES = 2
"""A run that is cut off every time, as one that fells the machine, is not tried for ever."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The newest run of a job that somebody started.

    Attributes:
        due_at: the instant at which it was due.
        ended: it is known to have ended.
        tries: how often it was started.
    """

    due_at: datetime
    ended: bool
    tries: int = 1


class Memory(Protocol):
    """What is remembered of the runs; daemons share it, and it outlives them."""

    def claim(self, job: str) -> Claim | None:
        """Return the newest claim of a job."""
        ...

    def put(self, job: str, claim: Claim, *, before: Claim | None) -> bool:
        """Put a claim in the place of the one before; not where that is another one by now."""
        ...

    def close(self, job: str, due_at: datetime) -> None:
        """Remember that the run which was due then has ended, if it is still the newest."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """A run has ended.

    Attributes:
        status: its exit status; none where it was stopped, or could not be started.
        held: another process runs the same job, so it was not started.
        detail: the last that it said, where it did not go well.
    """

    job: str
    status: int | None
    duration_s: float = 0.0
    held: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Start nothing more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reload:
    """Read the configuration again."""


Message = Ended | Stop | Reload


class Work(Protocol):
    """What a daemon has done: other threads, and people."""

    def start(self, job: str, due_at: datetime) -> None:
        """Start a job; an `Ended` follows in the queue of messages."""
        ...

    def held(self, job: str) -> bool:
        """Say whether some process, of whichever daemon, runs the job."""
        ...

    def reload(self) -> Mapping[str, Due] | None:
        """Read the configuration again and return the new timetable; none where it is broken."""
        ...

    def tell(self, event: str, facts: Mapping[str, object], *, level: str = "info") -> None:
        """Tell of an event."""
        ...


class Daemon:
    """The loop.

    Args:
        messages: of signals and of runs that have ended.
        retry: how often it is looked whether what others run, or ran, has ended.
    """

    def __init__(
        self,
        clock: Clock,
        memory: Memory,
        work: Work,
        messages: SimpleQueue[Message],
        *,
        retry: timedelta = RETRY,
    ) -> None:
        # It tells every ring at DEBUG, and nobody asked it to.
        logging.getLogger("schedule").setLevel(logging.WARNING)
        self._clock = clock
        self._memory = memory
        self._work = work
        self._messages = messages
        self._bell = schedule.Scheduler()
        self._due: Mapping[str, Due] = {}
        self._running: dict[str, datetime] = {}
        self._watched: set[str] = set()
        self._retry = retry
        self.started = 0

    def load(self, due: Mapping[str, Due]) -> None:
        """Go by a timetable from now on; what runs goes on running."""
        self._due = due
        self._bell.clear()
        self._watched.clear()
        for job in due:
            self._look(job)
            self._arm(job)

    def turn(self, *, wait: bool) -> Stop | None:
        """Start what is due, and hear what has happened; return the word to stop.

        Args:
            wait: for the next thing to happen, whatever it is.
        """
        self._bell.run_pending()
        wait_s = max(0.0, min(self.idle().total_seconds(), LOOK.total_seconds()))
        try:
            message = self._messages.get(block=wait, timeout=wait_s if wait else None)
        except Empty:
            return None
        if isinstance(message, Stop):
            return message
        if isinstance(message, Reload):
            self._reload()
        else:
            self._end(message)
        return None

    def idle(self) -> timedelta:
        """Return how long nothing is due."""
        seconds = self._bell.idle_seconds
        return LOOK if seconds is None else timedelta(seconds=seconds)

    def settle(self) -> None:
        """Hear of the runs that are being ended, after the last turn."""
        while self._running:
            try:
                message = self._messages.get(timeout=SETTLE.total_seconds())
            except Empty:
                return
            if isinstance(message, Ended):
                self._end(message)

    def _reload(self) -> None:
        due = self._work.reload()
        if due is not None:
            self.load(due)

    def _arm(self, job: str) -> None:
        due = self._due[job].next(self._clock.now())
        self._ring_in(due - self._clock.now(), job)

    def _ring_in(self, span: timedelta, job: str) -> None:
        seconds = max(1, math.ceil(span.total_seconds()))
        self._bell.every(seconds).seconds.do(self._ring, job).tag(job)

    def _ring(self, job: str) -> type[schedule.CancelJob]:
        if job in self._due:
            self._look(job)
            self._arm(job)
        return schedule.CancelJob

    def _look(self, job: str) -> None:
        due, now = self._due[job], self._clock.now()
        at, before = due.last(now), self._memory.claim(job)
        if before is None and not isinstance(due, Every):
            # As systemd does without a stamp: what was due before the first start is not missed.
            self._memory.put(job, Claim(now, ended=True), before=None)
        elif before is not None and not before.ended and job not in self._running:
            self._watch(job, was_free=False)
        elif at is not None and (before is None or at > before.due_at):
            self._start(job, Claim(at, ended=False), before)

    def _start(self, job: str, claim: Claim, before: Claim | None) -> None:
        facts: dict[str, object] = {"job": job, "due": claim.due_at}
        if job in self._running:
            self._work.tell(
                "passed-over", facts | {"why": "the one before still runs"}, level="warning"
            )
            self._memory.put(job, claim, before=before)
            self._running[job] = claim.due_at
        elif not self._memory.put(job, claim, before=before):
            self._work.tell("passed-over", facts | {"why": "another daemon runs it"})
        else:
            late = self._clock.now() - claim.due_at
            self._running[job] = claim.due_at
            self.started += 1
            self._work.tell("started", facts | {"late_s": int(late.total_seconds())})
            self._work.start(job, claim.due_at)

    def _watch(self, job: str, *, was_free: bool) -> None:
        """Look soon whether a run that somebody else started has ended, or was cut off."""
        if job not in self._watched:
            self._watched.add(job)
            seconds = max(1, math.ceil(self._retry.total_seconds()))
            self._bell.every(seconds).seconds.do(self._watched_again, job, was_free).tag(job)

    def _watched_again(self, job: str, was_free: bool) -> type[schedule.CancelJob]:
        self._watched.discard(job)
        before = self._memory.claim(job)
        if before is None or before.ended or job in self._running:
            self._look(job)
        elif self._work.held(job):
            self._watch(job, was_free=False)
        elif not was_free:
            # Whoever ran it may be about to say so.
            self._watch(job, was_free=True)
        else:
            self._make_up(job, before)
        return schedule.CancelJob

    def _make_up(self, job: str, before: Claim) -> None:
        facts: dict[str, object] = {"job": job, "due": before.due_at, "tries": before.tries}
        if before.tries >= TRIES:
            self._work.tell("given-up", facts, level="error")
            self._memory.close(job, before.due_at)
            return
        self._work.tell("cut-off", facts, level="warning")
        newest = self._due[job].last(self._clock.now()) or before.due_at
        due_at = max(newest, before.due_at)
        self._start(job, Claim(due_at, ended=False, tries=before.tries + 1), before)

    def _end(self, ended: Ended) -> None:
        due_at = self._running.pop(ended.job)
        facts: dict[str, object] = {"job": ended.job, "due": due_at}
        more: dict[str, object] = {"detail": ended.detail} if ended.detail else {}
        if ended.status is None and not ended.held:
            # Not ended, as far as the memory goes: the next daemon makes up for it.
            self._work.tell("stopped", facts | more, level="warning")
            return
        self._memory.close(ended.job, due_at)
        if ended.held:
            self._work.tell(
                "passed-over", facts | {"why": "another process runs it"}, level="warning"
            )
            return
        level = "info" if ended.status == 0 else "warning" if ended.status == 1 else "error"
        took = {"status": ended.status, "duration_s": round(ended.duration_s, 1)}
        self._work.tell("ended", facts | took | more, level=level)
