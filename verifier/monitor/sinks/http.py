"""One HTTP request of a sink: within a time limit, to that host alone, with its secrets kept.

No redirect is followed, certificates are verified by the system's store, answers are read up to a
bound, and neither an address beyond its host nor a secret gets into an error.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from verifier import __version__
from verifier.core.errors import DeliveryFailed

ANSWER_LIMIT_BYTES = 1 << 20
"""How much of an answer is read."""

_SHOWN = 300
_AGENT = f"restic-verify/{__version__}"


class Refused(DeliveryFailed):
    """The server answered, and not with success.

    Args:
        status: of HTTP.
        said: the beginning of its answer, secrets masked.
    """

    def __init__(self, subject: str, status: int, said: str, remedy: str) -> None:
        about = f"{status}: {said}" if said else str(status)
        super().__init__(subject, f"it answered {about}", remedy)
        self.status = status
        self.said = said


@dataclass(frozen=True, slots=True)
class Line:
    """The way to one server.

    Attributes:
        sink: what errors name as their subject.
        timeout_s: for a request, from looking its host up to the end of the answer.
        secrets: texts that are masked in errors.
    """

    sink: str
    timeout_s: float
    secrets: tuple[str, ...] = ()

    def send(
        self,
        method: str,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> str:
        """Send one request and return the beginning of its answer.

        Raises:
            Refused: the answer is no success.
            DeliveryFailed: there was none in time, or nobody answers at all.
        """
        host = _shown_host(url)
        watch = _Watch(self.timeout_s)
        try:
            with (
                httpx.Client(verify=certificates(), timeout=self.timeout_s) as client,
                watch,
                client.stream(
                    method,
                    url,
                    content=content,
                    # Names and passwords may be more than ASCII.
                    headers={
                        name.encode(): value.encode()
                        for name, value in {"User-Agent": _AGENT, **headers}.items()
                    },
                    params=params,
                    extensions={"trace": watch.see},
                ) as answer,
            ):
                said = _beginning(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failed(host, error, timed_out=watch.rang) from error
        if answer.is_success:
            return said
        remedy = f"see what {host} needs, and whether its address and secret are right"
        if answer.is_redirect:
            remedy = f"{host} redirects, which is not followed: write the address that it leads to"
        raise Refused(self.sink, answer.status_code, self._masked(said), remedy)

    def _failed(self, host: str, error: Exception, *, timed_out: bool) -> DeliveryFailed:
        if timed_out or isinstance(error, httpx.TimeoutException):
            message = f"{host} has not answered within {self.timeout_s:g} s"
            return DeliveryFailed(self.sink, message, f"see whether {host} is overloaded")
        message = f"{host} cannot be asked: {self._masked(str(error) or type(error).__name__)}"
        return DeliveryFailed(self.sink, message, f"see whether {host} runs and can be reached")

    def _masked(self, text: str) -> str:
        for secret in filter(None, self.secrets):
            text = text.replace(secret, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class _Watch:
    """Shuts the line once the time is up: a server that sends a byte now and then ends too."""

    def __init__(self, timeout_s: float) -> None:
        self.rang = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(timeout_s, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def see(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of a connection: httpcore tells every step of a request."""
        if event.endswith(".complete") and event.startswith("connection."):
            found = getattr(info.get("return_value"), "get_extra_info", lambda _: None)("socket")
            with self._lock:
                if found is not None:
                    self._sockets.append(found)
            if self.rang:
                self._ring()

    def _ring(self) -> None:
        with self._lock:
            self.rang = True
            for line in self._sockets:
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    # It has been closed already.
                    continue


def _beginning(answer: httpx.Response) -> str:
    said = bytearray()
    for chunk in answer.iter_bytes():
        said += chunk
        if len(said) >= ANSWER_LIMIT_BYTES:
            break
    return bytes(said[:ANSWER_LIMIT_BYTES]).decode(errors="replace")


def _shown_host(url: str) -> str:
    # What follows the host may be a secret: that of a ping is.
    return urlsplit(url).netloc.rpartition("@")[2]


@cache
def certificates() -> ssl.SSLContext:
    """Return what certificates are verified by: the system's store, or `SSL_CERT_FILE`."""
    return ssl.create_default_context()
