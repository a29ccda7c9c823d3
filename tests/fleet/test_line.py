"""The line of a machine: cut, mended, slowed down, and nothing that the machine could do about."""

from __future__ import annotations

import pytest

from tests.fleet.conftest import Start, idle
from verifier.core.host import Command
from verifier.fleet.containers import Fleet
from verifier.fleet.description import Machine
from verifier.fleet.line import cut_line, free_line, mend_line, slow_line

pytestmark = pytest.mark.heavy

SENT_BYTES = 4_000
_SERVE = f"""\
import socket
with socket.create_server(("0.0.0.0", 5_000)) as server:
    print("listening", flush=True)
    while True:
        line, _ = server.accept()
        with line:
            line.sendall(bytes({SENT_BYTES}))
"""
_FETCH = """\
import socket
with socket.create_connection(("web1", 5_000), timeout=3) as line:
    print(sum(map(len, iter(lambda: line.recv(4_096), b""))))
"""


@pytest.fixture
def fleet(start: Start) -> Fleet:
    serving = Machine("web1", ("/usr/bin/python3", "-c", _SERVE), "listening")
    return start(serving, idle("jak"))


def on(fleet: Fleet, name: str, *argv: str) -> tuple[int, str]:
    done = fleet.host(name).run(Command(argv))
    return done.status, (done.stdout or done.stderr).decode().strip()


def fetched(fleet: Fleet) -> str:
    """Return how many bytes came over the line, or what went wrong."""
    return on(fleet, "jak", "/usr/bin/python3", "-c", _FETCH)[1].splitlines()[-1]


def test_nothing_passes_a_line_that_is_cut_and_all_is_back_when_it_is_mended(fleet: Fleet) -> None:
    address = on(fleet, "jak", "getent", "hosts", "web1")
    cut_line(fleet, "web1")
    cut = fetched(fleet), on(fleet, "web1", "true"), on(fleet, "jak", "getent", "hosts", "web1")
    mend_line(fleet, "web1")

    assert str(SENT_BYTES) == fetched(fleet)
    assert "Error" in cut[0]
    assert ((0, ""), address) == cut[1:]


def test_slow_line_holds_back_and_loses_nothing(fleet: Fleet) -> None:
    slow_line(fleet, "web1", 64)
    count = fetched(fleet)
    _, told = on(fleet, "web1", "tc", "-s", "qdisc", "show", "dev", "eth0")
    free_line(fleet, "web1")
    _, after = on(fleet, "web1", "tc", "qdisc", "show", "dev", "eth0")

    assert str(SENT_BYTES) == count
    assert "rate 64Kbit" in told
    assert "dropped 0," in told
    assert "overlimits 0 " not in told
    assert "tbf" not in after


def test_machine_has_no_right_over_its_line(fleet: Fleet) -> None:
    status, said = on(fleet, "web1", "ip", "link", "set", "eth0", "down")

    assert 2 == status
    assert "Operation not permitted" in said
