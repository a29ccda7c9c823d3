"""journald, by its native protocol: one entry a delivery, with fields to search by.

Source: systemd's "Native Journal Protocol". A datagram holds `NAME=value` lines, or the name, a
length and the value where that holds a line end. What is too long for a datagram travels as a
sealed memory file.
"""

from __future__ import annotations

import array
import errno
import fcntl
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from verifier.core.errors import DeliveryFailed
from verifier.monitor.delivery import Delivery
from verifier.monitor.render.text import log_line

NAME = "journal"
SOCKET = Path("/run/systemd/journal/socket")

IDENTIFIER = "restic-verify"
MESSAGE_IDS = {
    "report": "5b1b7c7e0ad14b4c8a2e8c0f0f6a7d01",
    "alert": "5b1b7c7e0ad14b4c8a2e8c0f0f6a7d02",
    "backup": "5b1b7c7e0ad14b4c8a2e8c0f0f6a7d03",
    "start": "5b1b7c7e0ad14b4c8a2e8c0f0f6a7d04",
    "end": "5b1b7c7e0ad14b4c8a2e8c0f0f6a7d05",
}
"""Kind -> by what `journalctl MESSAGE_ID=…` finds every entry of it."""

_ERR, _WARNING, _NOTICE, _INFO = 3, 4, 5, 6
_PRIORITIES = {"OK": _INFO, "WARNING": _WARNING, "UNKNOWN": _ERR, "CRITICAL": _ERR}
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_TOO_LONG = {errno.EMSGSIZE, errno.ENOBUFS}


class Journal:
    """The machine's journal; a `Sink`.

    Args:
        socket_file: where journald listens.
    """

    name = NAME
    batch = 100

    def __init__(self, *, timeout_s: float, socket_file: Path = SOCKET) -> None:
        self._timeout_s = timeout_s
        self._socket = socket_file

    def takes(self, delivery: Delivery) -> bool:
        """All but lines of a log, which have come from one, and metrics."""
        return delivery.kind in MESSAGE_IDS

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send them one by one; a datagram has arrived or not, so none is ever in doubt.

        Raises:
            DeliveryFailed: journald did not take one.
        """
        del again
        arrived = 0
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(self._timeout_s)
                line.connect(str(self._socket))
                for delivery in deliveries:
                    _send(line, entry(delivery))
                    arrived += 1
        except OSError as error:
            why = "does not read" if isinstance(error, TimeoutError) else error.strerror
            message = f"{self._socket} cannot be written to: {why}"
            remedy = "see that systemd-journald runs, or take `journal` out of [sinks]"
            raise DeliveryFailed(NAME, message, remedy, arrived=arrived) from error


def entry(delivery: Delivery) -> bytes:
    """Return a delivery as an entry of the journal."""
    body = cast(Mapping[str, Any], delivery.body)
    message, priority, more = _ENTRIES[delivery.kind](body)
    fields = {
        "MESSAGE": message,
        "MESSAGE_ID": MESSAGE_IDS[delivery.kind],
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "RESTIC_VERIFY_KIND": delivery.kind,
        "RESTIC_VERIFY_ID": delivery.id,
        "RESTIC_VERIFY_AT": delivery.at.isoformat(),
        **{f"RESTIC_VERIFY_{name}": str(value) for name, value in more.items()},
        "RESTIC_VERIFY_BODY": json.dumps(body),
    }
    return b"".join(_field(name, value) for name, value in fields.items())


_Entry = tuple[str, int, Mapping[str, object]]


def _report(body: Mapping[str, Any]) -> _Entry:
    verdict = body["verdict"]
    told = {"VERDICT": verdict, "COMMAND": body["kind"]}
    return log_line(body), _PRIORITIES[verdict], told


def _alert(body: Mapping[str, Any]) -> _Entry:
    over = body["kind"] == "resolved"
    priority = _NOTICE if over else _ERR if body["level"] == "alarm" else _WARNING
    told = {"TRANSITION": body["kind"], "LEVEL": body["level"], "SUBJECT": body["subject"]}
    return f"{body['level']} {body['kind']}: {body['subject']}", priority, told


def _backup(body: Mapping[str, Any]) -> _Entry:
    told = {"HOST": body["host"], "STATUS": body["status"], "SNAPSHOT": body["snapshot"]}
    message = f"backup of {body['host']} ended with {body['status']}"
    return message, _ERR if body["status"] else _INFO, told


def _start(body: Mapping[str, Any]) -> _Entry:
    return f"{body['job']} starts", _INFO, {"JOB": body["job"]}


def _end(body: Mapping[str, Any]) -> _Entry:
    told = {"JOB": body["job"], "VERDICT": body["verdict"]}
    message = f"{body['job']} ended: {body['summary'].partition(chr(10))[0]}"
    return message, _PRIORITIES[body["verdict"]], told


_ENTRIES: Mapping[str, Callable[[Mapping[str, Any]], _Entry]] = {
    "report": _report,
    "alert": _alert,
    "backup": _backup,
    "start": _start,
    "end": _end,
}


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if b"\n" not in data:
        return f"{name}=".encode() + data + b"\n"
    return f"{name}\n".encode() + len(data).to_bytes(8, "little") + data + b"\n"


def _send(line: socket.socket, datagram: bytes) -> None:
    try:
        line.send(datagram)
    except OSError as error:
        if error.errno not in _TOO_LONG:
            raise
    else:
        return
    memory = os.memfd_create("restic-verify-journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(memory, "wb", closefd=False) as file:
            file.write(datagram)
        # journald reads no file that might change under its eyes.
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        carried = array.array("i", [memory])
        line.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, carried)])
    finally:
        os.close(memory)
