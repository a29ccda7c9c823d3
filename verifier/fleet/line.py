"""The line of a machine to the network of its fleet: cut, slowed down, mended.

It is done from beside the machine, by one command in its network's namespace: the machine itself
gets no right over its line, and nothing in it knows.
"""

from __future__ import annotations

import re

from verifier.core.errors import CannotVerify
from verifier.fleet.container_once import run_once
from verifier.fleet.containers import Fleet

BURST_BYTES = 1_600
"""What goes out at once, however slow the line is: no less than one packet, or none would."""

QUEUE_S = 60
"""How much may wait for the line, as so many seconds of it: more than a command's whole talk, so
that a slow line delays and does not lose."""

_DEVICE = "eth0"
_HELD = re.compile(r"overlimits ([0-9]+)")
_CAPABILITIES = ("NET_ADMIN",)


def cut_line(fleet: Fleet, name: str) -> None:
    """Let no packet reach a machine or come from it; its name and its address stay."""
    _run(fleet, name, "ip", "link", "set", _DEVICE, "down")


def mend_line(fleet: Fleet, name: str) -> None:
    """Undo `cut_line`."""
    _run(fleet, name, "ip", "link", "set", _DEVICE, "up")


def slow_line(fleet: Fleet, name: str, kbit: int) -> None:
    """Let a machine send so many thousand bits a second, and no more."""
    rule = f"rate {kbit}kbit burst {BURST_BYTES} limit {BURST_BYTES + kbit * 125 * QUEUE_S}"
    _run(fleet, name, "tc", "qdisc", "replace", "dev", _DEVICE, "root", "tbf", *rule.split())


def free_line(fleet: Fleet, name: str) -> None:
    """Undo `slow_line`."""
    _run(fleet, name, "tc", "qdisc", "del", "dev", _DEVICE, "root")


def packets_held(fleet: Fleet, name: str) -> int:
    """Return how often a packet had to wait for a line, as the kernel counts since `slow_line`."""
    said = _run(fleet, name, "tc", "-s", "qdisc", "show", "dev", _DEVICE)
    counted = _HELD.search(said)
    return int(counted[1]) if counted else 0


def _run(fleet: Fleet, name: str, *argv: str) -> str:
    status, said = run_once(
        fleet.ground, argv, capabilities=_CAPABILITIES, network=fleet.network_of(name)
    )
    if status != 0:
        message = f"its line cannot be changed: {said}"
        remedy = "let Docker give a container NET_ADMIN, and the kernel have CONFIG_NET_SCH_TBF"
        raise CannotVerify(name, message, remedy)
    return said
