"""What people read of several incidents at once: one cause is one message, however many hosts.

Pure, from the bodies of one group of a look: of all that opened in it, or became alarms, or go on,
or are over. What a short window cuts off is the list of hosts, and never what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from verifier.monitor.messages import Message, alert_message, cause, message
from verifier.monitor.render.wording import count, moment, span
from verifier.monitor.subjects import host_of, is_backup, is_verification

NAMED = 5
"""How many hosts a title names."""

LISTED = 10
"""How many incidents have a line of their own."""

CAUSES = 4
CAUSE_MAX = 250

Incident = Mapping[str, Any]


def gathered_message(bodies: Sequence[Incident], first: Sequence[bool]) -> Message:
    """Return what is said of the incidents of one group; at least one.

    Args:
        bodies: of deliveries of kind `alert`, of one kind of transition.
        first: of each, whether the reader has not heard of that incident before.
    """
    if len(bodies) == 1:
        return alert_message(bodies[0], is_first=first[0])
    pairs = sorted(
        zip(bodies, first, strict=True), key=lambda pair: (pair[0]["level"], pair[0]["subject"])
    )
    bodies = [body for body, _ in pairs]
    if bodies[0]["kind"] == "resolved":
        return message(f"RESOLVED: {_well(bodies)}", _over(pairs), "success")
    level = min(body["level"] for body in bodies)
    still = "STILL " if bodies[0]["kind"] == "reminded" and not any(first) else ""
    title = f"{still}{level.upper()}: {_things(bodies)} are overdue: {_names(bodies)}"
    return message(title, _open(bodies), "failure" if level == "alarm" else "warning")


def _things(bodies: Sequence[Incident]) -> str:
    backups = sum(is_backup(body["subject"]) for body in bodies)
    others = sum(is_verification(body["subject"]) for body in bodies)
    counted = (backups, "backup"), (others, "verification")
    return " and ".join(count(number, thing) for number, thing in counted if number)


def _names(bodies: Sequence[Incident]) -> str:
    hosts = list(dict.fromkeys(host_of(body["subject"]) for body in bodies))
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return ", ".join(hosts[:NAMED]) + more


def _well(bodies: Sequence[Incident]) -> str:
    if not bodies[0]["watched"]:
        return f"{_things(bodies)} are watched no more: {_names(bodies)}"
    lasted = sorted(body["lasted_s"] for body in bodies)
    spans = dict.fromkeys((span(lasted[0]), span(lasted[-1])))
    return f"{_things(bodies)} are good again, after {' to '.join(spans)}: {_names(bodies)}"


def _open(bodies: Sequence[Incident]) -> Iterator[str]:
    causes = dict.fromkeys(chain.from_iterable(map(cause, bodies)))
    for line in list(causes)[:CAUSES]:
        yield line if len(line) <= CAUSE_MAX else f"{line[: CAUSE_MAX - 1]}…"
    alarms = [body["alarm_at"] for body in bodies if body["alarm_at"]]
    if alarms:
        yield f"The first becomes an alarm at {moment(min(alarms))}."
    for remedy in dict.fromkeys(body["remedy"] for body in bodies if body["remedy"]):
        yield f"What to do: {remedy}."
    yield from _listed([f"{_about(body)}: {_age(body)}." for body in bodies])


def _age(body: Incident) -> str:
    since = moment(body["good_at"])
    if body["never"]:
        return f"never a good one, waited for since {since}"
    return f"last good {since}, {span(body['age_s'])} ago"


def _over(pairs: Iterable[tuple[Incident, bool]]) -> Iterator[str]:
    lines = []
    for body, is_first in pairs:
        begun, ended = moment(body["opened_at"]), moment(body["at"])
        line = f"{_about(body)}: lasted {span(body['lasted_s'])}, from {begun} to {ended}."
        lines.append(f"{line} It was over before this could be told." if is_first else line)
    yield from _listed(lines)


def _listed(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:LISTED]
    if len(lines) > LISTED:
        yield f"… and {len(lines) - LISTED} more."


def _about(body: Incident) -> str:
    host = host_of(body["subject"])
    return host if is_backup(body["subject"]) else f"{host}, verification"
