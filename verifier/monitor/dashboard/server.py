"""Listening and serving, until a signal says that it is enough."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from verifier.core.errors import CannotVerify

if TYPE_CHECKING:
    from starlette.types import ASGIApp

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_CONNECTIONS = 200
"""At most so many at a time; whoever comes then is told to come again."""

_FINISH_S = 5
"""How long a page that is being made may take when the end has come."""


def listen(address: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        CannotVerify: the port is taken, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        message, remedy = {
            errno.EADDRINUSE: (
                "another program listens there already",
                "end that program, or name another port with --listen",
            ),
            errno.EADDRNOTAVAIL: (
                "this machine has no such address",
                "name one that `ip address` shows with --listen",
            ),
            errno.EACCES: (
                "this user may not listen there",
                "name a port from 1024 on with --listen",
            ),
        }.get(error.errno or 0, (f"cannot be listened on: {error.strerror}", "see --listen"))
        raise CannotVerify(where, message, remedy) from error


def serve(app: ASGIApp, listening: socket.socket) -> tuple[int, str]:
    """Serve until a signal comes; return how many requests there were, and the signal's name."""
    import uvicorn

    class Server(uvicorn.Server):
        """Uvicorn's, which ends well by a signal instead of raising it once more."""

        stopped_by = ""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            stops = [n for n in STOPS if signal.getsignal(n) != signal.SIG_IGN]
            before = {number: signal.signal(number, self.handle_exit) for number in stops}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.stopped_by = signal.Signals(sig).name
            # A second one does not wait for pages that are being made.
            self.force_exit = self.should_exit
            self.should_exit = True

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # What a header says of the sender is nothing to rely on.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_FINISH_S,
    )
    server = Server(config)
    server.run(sockets=[listening])
    return server.server_state.total_requests, server.stopped_by
