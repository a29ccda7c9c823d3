"""A channel of people, by way of Apprise: Discord, ntfy, mail, and its other hundred.

A channel hears of an incident once when it opens, at intervals while it lasts, and once when it is
over; that a warning has become an alarm only where it asks for that. What one look tells of many
hosts is one message. Names and error texts are not
ours, so nothing in them may become a mention, a link or a style of what shows them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from verifier.core.errors import CannotVerify, DeliveryFailed, to_install
from verifier.monitor.alerts.watch import Level
from verifier.monitor.delivery import Delivery
from verifier.monitor.gathered import gathered_message
from verifier.monitor.messages import (
    Message,
    report_message,
    trial_message,
)

TEXT_MAX = 1_900
"""Discord takes 2,000 characters, title and escapes included; what is longer is cut."""

Reports = Literal["WARNING", "UNKNOWN", "CRITICAL", "never"]

_RANK: dict[Level | None, int] = {None: 0, "warning": 1, "alarm": 2}

_EXACT = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
"""Schemes whose readers see the text as it is, and where an address must stay one."""

_MARKED = frozenset({"discord", "guilded", "mmost", "mmosts", "rocket", "rockets", "zulip"})
"""Schemes whose plain text is Markdown, and whose backslash takes a character as it is."""

_MENTION = re.compile(r"@(?=\S)|<(?=[!#&@/:a-z])", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_~|\[\]<>])")
_BLOCK = re.compile(r"^(\s*)([#>+-])", re.MULTILINE)
_UNSEEN = "\u200b"


@dataclass(frozen=True, slots=True)
class Channel:
    """People who are told; a `Sink`.

    Attributes:
        url: gives the Apprise URL, which is a secret, when it is needed.
        level: it hears of an incident once that has reached it.
        escalations: whether it hears, too, that a warning has become an alarm.
        reports: it hears of a report whose verdict is at least as bad.
        timeout: for connecting, and for an answer.
    """

    name: str
    url: Callable[[], str]
    level: Level = "warning"
    escalations: bool = False
    reports: Reports = "UNKNOWN"
    timeout: timedelta = timedelta(seconds=10)

    @property
    def batch(self) -> int:
        """Each message is a request of its own."""
        return 1

    def takes(self, delivery: Delivery) -> bool:
        """Say whether people of this channel are to hear of it."""
        if delivery.kind == "notice":
            return bool(self._of_mine(delivery, "news"))
        return delivery.kind == "alerts" and any(map(self._hears, _incidents(delivery)))

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Send each as a message, in order.

        Args:
            again: nobody knows whether an attempt before arrived, and people cannot be asked: to
                hear twice is better than not at all.

        Raises:
            DeliveryFailed: one of them was not taken, or Apprise is not installed.
        """
        for delivery in deliveries:
            self._send(self._message(delivery))

    def try_out(self) -> None:
        """Send a message that says it is a test.

        Raises:
            DeliveryFailed: it was not taken, or Apprise is not installed.
        """
        self._send(trial_message(self.name))

    def _of_mine(self, delivery: Delivery, name: str) -> Any:
        by_level: Any = delivery.body[name]
        return by_level.get(self.reports)

    def _hears(self, body: Any) -> bool:
        # Of what one look tells of an incident, the last word says all.
        if body["goes_on"] or _RANK[body["known"]] < _RANK[self.level]:
            return False
        return body["kind"] != "escalated" or self.escalations or self._is_first(body)

    def _is_first(self, body: Any) -> bool:
        return _RANK[body["heard"]] < _RANK[self.level]

    def _message(self, delivery: Delivery) -> Message:
        if delivery.kind == "notice":
            report: Any = delivery.body["report"]
            news, before = (self._of_mine(delivery, name) for name in ("news", "before"))
            return report_message(report, news, before)
        if delivery.kind == "report":
            # Only a spool that an older release has filled holds one.
            return report_message(delivery.body)
        heard = [body for body in _incidents(delivery) if self._hears(body)]
        return gathered_message(heard, [self._is_first(body) for body in heard])

    def _send(self, message: Message) -> None:
        service = self._service()
        import apprise

        kinds = {
            "info": apprise.NotifyType.INFO,
            "success": apprise.NotifyType.SUCCESS,
            "warning": apprise.NotifyType.WARNING,
            "failure": apprise.NotifyType.FAILURE,
        }
        title, text = shown(message, set(service.schemas()))
        sender = apprise.Apprise()
        sender.add(service)
        with kept_complaints() as complaints:
            arrived = sender.notify(
                body=text,
                title=title,
                notify_type=kinds[message.tone],
                body_format=apprise.NotifyFormat.TEXT,
            )
        if not arrived:
            said = complaints[-1] if complaints else "Apprise says no more"
            remedy = "see that the service answers and that its URL is still good"
            raise DeliveryFailed(self.name, f"the message was not taken: {said}", remedy)

    def _service(self) -> Any:
        try:
            import apprise
        except ImportError as error:
            message = "Apprise is not installed"
            raise DeliveryFailed(self.name, message, to_install("alerts")) from error
        try:
            url = self.url()
        except CannotVerify as error:
            message = f"its URL cannot be had: {error.subject}: {error.message}"
            raise DeliveryFailed(self.name, message, error.remedy) from error
        with kept_complaints():
            service = apprise.Apprise.instantiate(url)
        if service is None:
            message = "its URL is none that Apprise knows"
            raise DeliveryFailed(self.name, message, "write it as discord://ID/TOKEN")
        seconds = self.timeout.total_seconds()
        service.socket_connect_timeout = service.socket_read_timeout = seconds
        # `2001:db8:100::1` is no emoji.
        service.interpret_emojis = False
        return service


def _incidents(delivery: Delivery) -> Sequence[Any]:
    # A spool that an older release has filled holds them one by one.
    incidents: Any = delivery.body.get("incidents", (delivery.body,))
    return tuple(incidents)


def shown(message: Message, schemes: set[str]) -> tuple[str, str]:
    """Return title and text as a service of such schemes shows them literally, and not too long."""
    title, text = message.title, message.text
    room = TEXT_MAX - len(_literal(title, schemes))
    while len(_literal(text, schemes)) > room:
        # Escapes take room, too: how much is known only once they are there.
        surplus = len(_literal(text, schemes)) - room
        text = f"{text[: len(text) - max(surplus // 2, 1) - 1]}…"
    return _literal(title, schemes), _literal(text, schemes)


def _literal(text: str, schemes: set[str]) -> str:
    if schemes & _EXACT:
        return text
    if schemes & _MARKED:
        text = _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", text))
    return _MENTION.sub(lambda found: found[0] + _UNSEEN, text)


@contextmanager
def kept_complaints() -> Iterator[list[str]]:
    """Keep what Apprise logs in the block, which would go to standard error."""
    log = logging.getLogger("apprise")
    kept: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: kept.append(record.getMessage())  # type: ignore[method-assign]
    before = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield kept
    finally:
        log.removeHandler(handler)
        log.propagate = before
