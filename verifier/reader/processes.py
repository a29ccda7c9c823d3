"""An executor of processes on this machine.

It outlives its processes, whoever kills them, and they never outlive it.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.util import get_temp_dir
from typing import ParamSpec, TypeVar

from verifier.core.errors import CannotVerify
from verifier.reader.due import Due

MAX_BREAKS = 5
"""Times that processes may be killed in one run: past it, the machine or the work kills them."""

P = ParamSpec("P")
T = TypeVar("T")


class Processes(Executor):
    """A pool of processes, made anew when one of them was killed. Made by `open_processes`."""

    def __init__(self, workers: int, environ: Mapping[str, str], preload: str) -> None:
        self._workers = workers
        self._preload = preload
        self._environ = dict(environ)
        self._lock = threading.Lock()
        self._breaks = 0
        self._closed = False
        self._pool = _make(workers, self._environ, preload)
        self._starter = ThreadPoolExecutor(max_workers=1)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand in one call; it is made again when its process was killed."""
        due: Due[T] = Due()
        self._hand_in(due, functools.partial(fn, *args, **kwargs))
        return due

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; what is not begun is dropped if `cancel_futures`."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def settle(self) -> None:
        """Wait until every process that is being started can be ended."""
        self._starter.shutdown()

    def _submit(self, pool: ProcessPoolExecutor, work: Callable[[], T]) -> Future[T]:
        # Handing in starts a process where one is wanted. A signal handler raises in the main
        # thread: a process that is half started then would find its parent gone, and complain.
        if threading.current_thread() is threading.main_thread():
            return self._starter.submit(pool.submit, work).result()
        return pool.submit(work)

    def _hand_in(self, due: Due[T], work: Callable[[], T]) -> None:
        pool = self._pool
        try:
            running = self._submit(pool, work)
        except BrokenProcessPool as error:
            self._retry(due, work, pool, error)
        else:
            due.attempt(running.cancel)
            running.add_done_callback(lambda done: self._take(due, work, pool, done))

    def _take(
        self, due: Due[T], work: Callable[[], T], pool: ProcessPoolExecutor, done: Future[T]
    ) -> None:
        if done.cancelled():
            due.cancel()
            return
        error = done.exception()
        if isinstance(error, BrokenProcessPool):
            self._retry(due, work, pool, error)
        elif error is not None:
            due.fail(error)
        else:
            due.keep(done.result())

    def _retry(
        self, due: Due[T], work: Callable[[], T], broken: ProcessPoolExecutor, error: Exception
    ) -> None:
        with self._lock:
            closed = self._closed or due.done()
            if not closed and self._pool is broken and self._breaks < MAX_BREAKS:
                self._breaks += 1
                self._pool = _make(self._workers, self._environ, self._preload)
            replaced = self._pool is not broken
        if closed:
            due.cancel()
        elif replaced:
            self._hand_in(due, work)
        else:
            due.fail(_killed(error))


@contextlib.contextmanager
def open_processes(workers: int, environ: Mapping[str, str], preload: str) -> Iterator[Processes]:
    """Provide processes of this machine, and end them: at once when the work is broken off.

    Args:
        environ: of the processes.
        preload: a module that they have imported when they begin.
    """
    before = set(multiprocessing.active_children())
    pool = Processes(max(1, workers), environ, preload)
    try:
        yield pool
    except BaseException:
        # Ctrl-C among others: nobody wants the results any more.
        pool.settle()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.settle()
        pool.shutdown(cancel_futures=True)


def _make(workers: int, environ: dict[str, str], preload: str) -> ProcessPoolExecutor:
    # A server that has imported it forks them: quick, and no thread is forked with it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return ProcessPoolExecutor(workers, context, _begin, (get_temp_dir(), environ))


def _begin(folder: str, environ: dict[str, str]) -> None:
    # The server that forks them has the environment in which the first pool was opened.
    os.environ.clear()
    os.environ.update(environ)
    # Ctrl-C reaches the whole group, and the parent alone decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()


def _end_with_parent(folder: str) -> None:
    # A parent that was killed ends nothing by itself, and its pool would wait for ever; nor does
    # it remove the folder in which its server listens.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _killed(error: Exception) -> CannotVerify:
    return CannotVerify(
        "executor",
        f"the processes that do the work are killed again and again: {error}",
        "see whether the machine runs out of memory, or use fewer workers",
    )
