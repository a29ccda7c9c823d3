"""Sends deliveries to every sink at once, and keeps what a sink does not take.

Everything is on disk before the first attempt, and goes from there only once it has arrived: a
process that is killed at any moment loses nothing. A sink's queue is sent in order by one process
at a time. What cannot be delivered is told as a finding, which changes no verdict.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.core.errors import DeliveryFailed
from verifier.core.finding import Finding
from verifier.monitor.delivery import Delivery, Sink
from verifier.monitor.errand import Errand, parcels
from verifier.monitor.spool import LIMIT_BYTES, Parcel, Queue

if TYPE_CHECKING:
    from tenacity import RetryCallState

KIND = "not-delivered"

_LOCK_WAIT_S = 0.05
_BACK_OFF_S = 0.5
_GRACE_S = 0.2
_LATER = "it is sent with what comes next"
_FAULT = "this is a fault of restic-verify: report it"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long it is tried.

    Attributes:
        attempts: in a row, for what is sent together.
        timeout_s: for one attempt; a sink keeps to it by itself.
        keep: how long a delivery waits before it is given up.
        limit_bytes: how much may wait for one sink.
    """

    attempts: int = 3
    timeout_s: float = 10.0
    keep: timedelta = timedelta(days=30)
    limit_bytes: int = LIMIT_BYTES

    @property
    def limit_s(self) -> float:
        """How long a command waits for its sinks at most, all of them together."""
        return self.attempts * self.timeout_s


@dataclass(frozen=True, slots=True)
class Time:
    """How time passes; a test has its own.

    Attributes:
        ticks: seconds since some moment, never going back.
        sleep: waits so many seconds.
    """

    ticks: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Outbox:
    """All sinks, and the spool before each of them.

    Args:
        spool: a folder, in which each sink has one by its name.
        now, in every method: from it on a new delivery waits.
    """

    def __init__(
        self,
        sinks: Iterable[Sink],
        spool: Path,
        patience: Patience | None = None,
        *,
        passing: Time | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        self._spool = spool
        self._patience = patience or Patience()
        self._time = passing or Time()

    def post(self, deliveries: Sequence[Delivery], now: datetime) -> tuple[Finding, ...]:
        """Send deliveries, each to the sinks that it is meant for, after what waits for those.

        Returns:
            Of each sink that has not taken everything, what waits or is given up.
        """
        return self._run([e for e in self._errands(deliveries, now) if e.loose])

    def flush(self, now: datetime, deliveries: Sequence[Delivery] = ()) -> tuple[Finding, ...]:
        """Send what waits for whatever sink, and deliveries after it."""
        errands = self._errands(deliveries, now)
        return self._run([e for e in errands if e.loose or e.queue.waits()])

    def keep(self, deliveries: Sequence[Delivery], now: datetime) -> tuple[Finding, ...]:
        """Put deliveries into the spool without an attempt: whoever sends next sends them.

        What waits there already is not put again.
        """
        errands = [e for e in self._errands(deliveries, now) if e.loose]
        for errand in errands:
            errand.leave_out(errand.queue.ids())
            errand.put(alone=False)
        return tuple(filter(None, map(self._told, errands)))

    def _errands(self, deliveries: Sequence[Delivery], now: datetime) -> list[Errand]:
        end = self._time.ticks() + self._patience.limit_s
        return [
            Errand(sink, Queue(self._spool / sink.name), now, end, parcels(sink, deliveries, now))
            for sink in self._sinks
        ]

    def _run(self, errands: Sequence[Errand]) -> tuple[Finding, ...]:
        # Signals are the main thread's: one that another thread takes is lost to who waits for it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            begun = [
                threading.Thread(target=self._serve, args=(errand,), daemon=True)
                for errand in errands
            ]
            for thread in begun:
                thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for errand, thread in zip(errands, begun, strict=True):
            thread.join(max(errand.end - self._time.ticks(), 0) + _GRACE_S)
            if thread.is_alive():
                # It is left to itself. What it sends stays on disk until it has arrived.
                errand.error = errand.failed(f"no answer in {self._patience.limit_s:g} s", _LATER)
        return tuple(filter(None, map(self._told, errands)))

    def _serve(self, errand: Errand) -> None:
        try:
            with self._held(errand) as held:
                if held:
                    self._send_waiting(errand)
                    self._give_up(errand)
            if errand.error is None:
                self._send_loose(errand)
        except DeliveryFailed as error:
            errand.error = error
        except Exception as error:  # noqa: BLE001 - whatever a sink does, the command goes on
            errand.error = errand.failed(f"{type(error).__name__}: {error}", _FAULT)

    @contextmanager
    def _held(self, errand: Errand) -> Iterator[bool]:
        """Put what is to be sent, and be the one who sends, in the block.

        Gives whether it is: where nothing can be kept on disk, it is sent all the same.

        Raises:
            DeliveryFailed: another process sends all the time.
        """
        with ExitStack() as stack:
            try:
                alone = stack.enter_context(errand.queue.hold())
            except DeliveryFailed as error:
                errand.unkept = error
                yield False
            else:
                # What is put while another process sends may be tried by that one.
                errand.put(alone=alone())
                while not alone():
                    if self._time.ticks() >= errand.end:
                        raise errand.failed("another process is sending to it", _LATER)
                    self._time.sleep(_LOCK_WAIT_S)
                errand.queue.tidy()
                errand.arrived = errand.queue.arrived()
                yield True

    def _send_waiting(self, errand: Errand) -> None:
        while errand.error is None and (paths := errand.waiting()):
            for path in paths:
                parcel = errand.read(path)
                if parcel is None:
                    continue
                try:
                    self._deliver(errand, parcel)
                except DeliveryFailed as error:
                    errand.error = error
                    return
                errand.queue.remove(parcel)

    def _send_loose(self, errand: Errand) -> None:
        while errand.loose:
            self._deliver(errand, errand.loose[0])
            del errand.loose[0]

    def _deliver(self, errand: Errand, parcel: Parcel) -> None:
        """Send a parcel until all of it has arrived.

        Raises:
            DeliveryFailed: it has not, in all attempts.
        """
        # Only now: it brings asyncio along, and most commands have nothing to send.
        from tenacity import Retrying, retry_if_exception_type, wait_exponential

        patience, ticks = self._patience, self._time.ticks

        def enough(state: RetryCallState) -> bool:
            late = ticks() + state.upcoming_sleep >= errand.end
            return late or state.attempt_number >= patience.attempts

        for attempt in Retrying(
            retry=retry_if_exception_type(DeliveryFailed),
            stop=enough,
            wait=wait_exponential(multiplier=_BACK_OFF_S, max=patience.timeout_s),
            sleep=self._time.sleep,
            reraise=True,
        ):
            rest = tuple(d for d in parcel.deliveries if d.id not in errand.arrived)
            if not rest:
                return
            with attempt:
                if ticks() >= errand.end:
                    raise errand.failed("the time is up", _LATER)
                again = parcel.path not in errand.fresh or attempt.retry_state.attempt_number > 1
                try:
                    errand.sink.deliver(rest, again=again)
                except DeliveryFailed as error:
                    errand.arrive(parcel, rest[: error.arrived])
                    raise
                errand.arrive(parcel, rest)

    def _give_up(self, errand: Errand) -> None:
        """Remove, the oldest first, what has waited for too long or is too much."""
        sizes = errand.queue.sizes_bytes()
        waiting_bytes = sum(sizes.values())
        for path, size_bytes in sizes.items():
            if path in errand.unread:
                continue
            parcel = errand.read(path)
            if parcel is not None:
                is_too_much = waiting_bytes > self._patience.limit_bytes
                if not (is_too_much or errand.now - parcel.put_at > self._patience.keep):
                    break
                errand.queue.remove(parcel)
                errand.given_up += 1
            waiting_bytes -= size_bytes

    def _told(self, errand: Errand) -> Finding | None:
        unread = tuple(errand.unread.values())
        if not (errand.error or errand.unkept or errand.torn or errand.given_up or unread):
            return None
        counted = {
            "waiting": (errand.count_waiting(), "wait in the spool"),
            "given_up": (errand.given_up, f"given up: {self._bounds()}"),
            "torn": (errand.torn, "in the spool could not be read and were set aside"),
            "lost": (len(errand.loose), "neither sent nor kept"),
        }
        said = [error.message for error in (errand.error, errand.unkept) if error]
        # What waits for ever without help is told with what helps.
        said += [f"{one.subject} {one.message}: {one.remedy}" for one in unread[:1]]
        said += [f"{number} {what}" for number, what in counted.values() if number]
        evidence = {name: number for name, (number, _) in counted.items() if number}
        return Finding(KIND, errand.sink.name, "; ".join(said), evidence)

    def _bounds(self) -> str:
        keep, limit = self._patience.keep, self._patience.limit_bytes >> 20
        return f"waiting for more than {keep.days} days, or beyond {limit} MiB"
