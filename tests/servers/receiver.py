"""A small HTTP server on loopback that keeps what it was sent, and can be told to misbehave.

`from tests.servers.receiver import receiver` gives the fixture. A `gate` is the same before a real
server: what it lets through is answered by that, so that a real server can refuse, hang or die.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Mood = Literal[
    "accept", "refuse", "hang", "trickle", "cut-before", "cut-amid", "cut-after", "redirect"
]
"""What it does with a request.

`cut-before` closes the connection in the middle of the request, before anything is done with it;
`cut-after` does all of it and closes in place of the answer: only the receiver knows that it
arrived. `cut-amid` is for a gate alone: half of the body's lines get through, and then the line to
the real server is cut, too. `trickle` sends a byte of the answer's head from time to time, and
never an end.
"""


@dataclass(frozen=True)
class Received:
    """One request that was acted upon; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int = 200
    body: bytes = b"ok\n"
    headers: tuple[tuple[str, str], ...] = ()


class Receiver:
    """Where it listens, what it was sent, and how it behaves.

    Attributes:
        received: what arrived, in order; what it refused or cut off before is not among it.
        mood: how it meets requests from now on.
        plan: moods of the next requests, one each, before `mood` counts again.
        refusal: what it answers when it refuses; none to repeat what it was sent.
        answer: what it answers when it accepts.
        halve: what it does with a request that is cut in the middle.
    """

    def __init__(
        self,
        answer: Callable[[Received], Answer],
        halve: Callable[[Received], object] = lambda _: None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.halve = halve
        self._scheme = "https" if tls else "http"
        self.received: list[Received] = []
        self.mood: Mood = "accept"
        self.plan: list[Mood] = []
        self.refusal: Answer | None = Answer(503, b"not now\n")
        self.answer = answer
        self.let_go = threading.Event()
        """Ends what hangs."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, without a last slash."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop, and let go of those who wait."""
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_mood(self) -> Mood:
        """Return how the next request is met."""
        with self._lock:
            return self.plan.pop(0) if self.plan else self.mood

    def take(self, received: Received) -> Answer:
        """Act upon a request."""
        with self._lock:
            answer = self.answer(received)
            if answer.status < 300:
                self.received.append(received)
            return answer


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            # Who was killed says no goodbye, and who takes no certificate none that is polite.
            with suppress(ConnectionError, ssl.SSLError):
                super().handle()

        def do_GET(self) -> None:
            with suppress(ConnectionError):
                self._meet(receiver.next_mood())

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

        def _meet(self, mood: Mood) -> None:
            if mood == "cut-before":
                # Some of the body has arrived by now, or all of it: nobody looks.
                self._cut()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received = Received(self.command, self.path, headers, body)
            if mood == "hang":
                receiver.let_go.wait()
                self._cut()
            elif mood == "trickle":
                self._trickle()
            elif mood == "refuse":
                self._say(receiver.refusal or _repeated(received))
            elif mood == "cut-amid":
                receiver.halve(received)
                self._cut()
            elif mood == "redirect":
                self._say(Answer(302, b"", (("Location", "http://127.0.0.1:1/elsewhere"),)))
            else:
                answer = receiver.take(received)
                self._cut() if mood == "cut-after" else self._say(answer)

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def _trickle(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not receiver.let_go.wait(0.05):
                self.wfile.write(b"z")
                self.wfile.flush()
            self._cut()

        def _cut(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


def _repeated(received: Received) -> Answer:
    return Answer(500, f"you sent \x1b[31m {received}\n".encode())


def _accepted(_: Received) -> Answer:
    return Answer()


@contextmanager
def run_receiver(
    answer: Callable[[Received], Answer] = _accepted,
    halve: Callable[[Received], object] = lambda _: None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Receiver]:
    """Run one in the block.

    Args:
        tls: it speaks HTTPS by this.
    """
    receiver = Receiver(answer, halve, tls)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def gate(url: str) -> Iterator[Receiver]:
    """Run one before a real server in the block: what it accepts is that server's to answer."""
    address = urlsplit(url)

    def passed_on(request: Received) -> Answer:
        assert address.hostname is not None
        line = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        try:
            line.request(request.method, request.path, request.body, dict(request.headers))
            said = line.getresponse()
            return Answer(said.status, said.read())
        finally:
            line.close()

    def passed_on_in_half(request: Received) -> None:
        # Where a line ends is where a reader is likeliest to believe that this was all.
        lines = request.body.splitlines(keepends=True)
        half = b"".join(lines[: len(lines) // 2])
        with socket.create_connection((address.hostname, address.port), timeout=60) as line:
            head = f"{request.method} {request.path} HTTP/1.1\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
            line.sendall(f"{head}\r\n".encode() + half)
            line.shutdown(socket.SHUT_WR)
            # Until the server has made up its mind.
            while line.recv(4096):
                pass

    with run_receiver(passed_on, passed_on_in_half) as receiver:
        yield receiver


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return what a server on loopback needs to speak TLS; nobody vouches for `certificate.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run one that accepts everything, until it is told otherwise."""
    with run_receiver() as one:
        yield one
