"""An executor on a cluster of Dask's: the same work, on the processors of many machines.

The scheduler and its workers need restic-verify installed, in this release, and must reach the
repository under the same location. Dask waits for a lost cluster for ever; this does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import wait as wait_for
from typing import Any, ParamSpec, TypeVar

from verifier import __version__
from verifier.core.errors import CannotVerify, ToolMissing, to_install
from verifier.reader.due import Due

CONNECT_S = 10.0
"""How long a scheduler may take to answer, and a first worker to be there."""

PATIENCE_S = 60.0
"""How long work may be due while there is no worker: one that is restarted may come back."""

MAX_LOSSES = 3
"""Times that one result may be lost on its way: with the worker that had it, mostly."""

_CHECK_S = 2.0
_LOGS = ("distributed", "distributed.client", "tornado.application")

P = ParamSpec("P")
T = TypeVar("T")


@contextlib.contextmanager
def open_cluster(address: str, *, patience_s: float | None = None) -> Iterator[Executor]:
    """Provide the workers of the scheduler at `host:port`.

    Args:
        patience_s: how long work may be due while there is no worker.

    Raises:
        CannotVerify: nobody answers as a scheduler there, or it has no worker.
        ToolMissing: Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ToolMissing("dask", "it is not installed", to_install("cluster")) from error
    with contextlib.ExitStack() as opened:
        opened.enter_context(_silence())
        try:
            # Without a scheme it is the one of Dask's own configuration: tcp, or tls.
            client = Client(  # type: ignore[no-untyped-call]
                address, timeout=CONNECT_S, set_as_default=False
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CannotVerify(
                f"dask://{address}",
                f"no scheduler answers there: {error}",
                "start one there with `dask scheduler`, or look at the address",
            ) from error
        opened.enter_context(client)
        _await_worker(client, address)
        cluster = Cluster(client, address, PATIENCE_S if patience_s is None else patience_s)
        opened.callback(cluster.shutdown, wait=False, cancel_futures=True)
        yield cluster


class Cluster(Executor):
    """The workers of a scheduler, until they are lost. Made by `open_cluster`."""

    def __init__(self, client: Any, address: str, patience_s: float) -> None:
        self._client = client
        self._address = address
        self._patience_s = patience_s
        self._due: set[Due[Any]] = set()
        self._closed = False
        client.loop.add_callback(self._watch)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand in one call; it is made again when its worker was lost."""
        if self._closed:
            raise RuntimeError("the cluster is closed")
        due: Due[T] = Due()
        self._due.add(due)
        due.add_done_callback(self._due.discard)
        self._hand_in(due, functools.partial(fn, *args, **kwargs), MAX_LOSSES)
        return due

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; wait for what is under way, or drop it."""
        self._closed = True
        if cancel_futures:
            for due in tuple(self._due):
                due.cancel()
        if wait:
            wait_for(tuple(self._due))

    def _hand_in(self, due: Due[T], work: Callable[[], T], losses_left: int) -> None:
        try:
            # Not pure: two calls alike are two looks, and a lost one is no other's answer.
            running = self._client.submit(work, pure=False)
        except Exception as error:  # noqa: BLE001 - whatever a closed client raises
            due.fail(self._lost(f"{type(error).__name__}: {error}"))
            return
        loop = self._client.loop
        due.attempt(lambda: loop.add_callback(self._client.cancel, [running]))
        loop.add_callback(self._follow, due, work, running, losses_left)

    async def _follow(
        self, due: Due[T], work: Callable[[], T], running: Any, losses_left: int
    ) -> None:
        from distributed.comm.core import CommClosedError

        try:
            due.keep(await running)
        except (CancelledError, asyncio.CancelledError, CommClosedError) as error:
            # A scheduler that was restarted knows nothing of what it was handed before.
            while self._client.status == "connecting" and not due.done():
                await asyncio.sleep(_CHECK_S)
            if losses_left > 0 and self._client.status == "running" and not due.done():
                self._hand_in(due, work, losses_left - 1)
            else:
                due.fail(self._lost(f"the scheduler dropped the work, or went away ({error})"))
        except Exception as error:  # noqa: BLE001 - whatever the call itself raised, too
            due.fail(self._told(error))

    async def _watch(self) -> None:
        """Fail what is due once there was no worker for too long."""
        seen_s = time.perf_counter()
        while not self._closed:
            await asyncio.sleep(_CHECK_S)
            if not self._due or await self._has_worker():
                seen_s = time.perf_counter()
            elif time.perf_counter() - seen_s >= self._patience_s:
                for due in tuple(self._due):
                    due.fail(self._lost(f"no worker was there for {self._patience_s:.0f} s"))

    async def _has_worker(self) -> bool:
        try:
            return bool(await asyncio.wait_for(self._client.nthreads(), _CHECK_S))
        except (OSError, TimeoutError, RuntimeError, asyncio.CancelledError):
            return False

    def _told(self, error: Exception) -> Exception:
        from distributed import KilledWorker

        if isinstance(error, (OSError, ImportError, RuntimeError, KilledWorker)):
            return self._lost(f"{type(error).__name__}: {error}")
        return error

    def _lost(self, why: str) -> CannotVerify:
        remedy = (
            f"see that the scheduler and the workers run, have restic-verify {__version__} "
            "installed, and enough memory"
        )
        return CannotVerify(f"dask://{self._address}", f"the cluster failed: {why}", remedy)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep Dask from telling its own story of a loss, tracebacks and all: ours is told once."""
    loggers = [logging.getLogger(name) for name in _LOGS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _await_worker(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_S)
    except TimeoutError as error:
        raise CannotVerify(
            f"dask://{address}",
            "the scheduler has no worker",
            f"start workers with `dask worker {address}`",
        ) from error
