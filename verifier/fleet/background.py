"""Programs that run beside us on this machine, as a server does, and end when we let go of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from verifier.core.host import Command
from verifier.fleet.local import LocalHost


@contextmanager
def beside(command: Command) -> Iterator[None]:
    """Run a command while the block runs; it has ended when the block is left.

    Whether it does what it should is for the block to see: one that ends before its time, or that
    cannot be started at all, is only not there.
    """
    host = LocalHost()
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            pool.submit(host.run, command)
            yield
        finally:
            host.end_all()
