"""Channels: who hears of what, and what really arrives at Discord, ntfy, JSON and mail servers."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apprise.plugins.discord import NotifyDiscord

from tests.monitor.envelopes import drilled
from tests.monitor.test_messages import BODY
from tests.servers.receiver import Receiver, receiver
from verifier.core.errors import CannotVerify, DeliveryFailed
from verifier.monitor.delivery import Delivery, report_delivery
from verifier.monitor.messages import Message
from verifier.monitor.notices import first_notice
from verifier.monitor.sinks.apprise import TEXT_MAX, Channel, shown

__all__ = ["receiver"]

# Apprise loads all its services, and one of them warns about itself.
pytestmark = pytest.mark.filterwarnings("ignore:.imghdr.:DeprecationWarning")

AT = datetime(2024, 3, 5, 12, tzinfo=UTC)
DISCORD = "discord://123456789012345678/a-token_of-letters"


def alert(**changed: object) -> Delivery:
    return gathered({**BODY, **changed})


def gathered(*bodies: dict[str, Any]) -> Delivery:
    return Delivery("alerts", AT, {"kind": bodies[0]["kind"], "incidents": list(bodies)})


def channel(url: str, **settings: Any) -> Channel:
    return Channel("people", lambda: url, timeout=timedelta(seconds=5), **settings)


@pytest.fixture
def discord(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    """Discord's address is a server of the test."""
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"{receiver.url}/api/webhooks")
    return receiver


def contents(discord: Receiver) -> list[str]:
    """Return what Discord was sent, which is held against what it accepts."""
    found = []
    for one in discord.received:
        payload = json.loads(one.body)
        assert "/api/webhooks/123456789012345678/a-token_of-letters" == one.path
        assert "application/json; charset=utf-8" == one.headers["content-type"]
        assert 0 < len(payload["content"]) <= 2_000
        assert "embeds" not in payload
        assert "allow_mentions" not in payload
        found.append(payload["content"])
    return found


def test_discord_is_sent_what_it_accepts(discord: Receiver) -> None:
    channel(DISCORD).deliver([alert()], again=False)
    (content,) = contents(discord)

    assert content.startswith("WARNING: the last good backup of web1 is 1 day old\r\nLast good: ")
    assert "It becomes an alarm at Tue 2024-03-05 08:00 -08:00." in content


@pytest.mark.parametrize("kind", ["opened", "reminded", "resolved"])
@pytest.mark.parametrize("hosts", [2, 100])
def test_one_cause_is_one_message_however_many_hosts(
    discord: Receiver, kind: str, hosts: int
) -> None:
    """It keeps within Discord's limit, names the first and counts the rest."""
    bodies = [
        {
            **BODY,
            "subject": f"backup web{n:03}.example.org",
            "kind": kind,
            "heard": "warning",
            "error": "x" * 2_000,
            "lasted_s": 3600.0 + n * 60,
        }
        for n in range(hosts)
    ]
    channel(DISCORD).deliver([gathered(*bodies)], again=False)
    (content,) = contents(discord)

    assert f"{hosts} backups are " in content
    assert "web001.example.org" in content
    assert ("and 95 more" in content) == (hosts == 100)
    assert ("What to do: on jak" in content) == (kind != "resolved")
    assert ("after 1 h to 2 h 39 min" in content) == (kind == "resolved" and hosts == 100)


def test_channel_is_told_of_those_alone_that_it_hears_of(receiver: Receiver) -> None:
    """One is a warning and none of this channel's affairs; the other is an alarm."""
    other = {**BODY, "subject": "backup db1", "level": "alarm", "known": "alarm"}
    address = receiver.url.removeprefix("http://")
    there = channel(f"json://{address}/hook", level="alarm")
    both = gathered(BODY, other)
    there.deliver([both], again=False)

    assert there.takes(both)
    assert not there.takes(gathered(BODY))
    assert ["ALARM: the last good backup of db1 is 1 day old"] == [
        json.loads(one.body)["title"] for one in receiver.received
    ]


def test_what_an_older_spool_holds_is_a_message(receiver: Receiver) -> None:
    address = receiver.url.removeprefix("http://")
    held = [Delivery("alert", AT, BODY), report_delivery(drilled(corrupted=1))]
    channel(f"json://{address}/hook").deliver(held, again=False)

    assert 2 == len(receiver.received)


HOSTILE = "@everyone <@123> <@&9> <!here> **b** `c` [x](http://y) ||s|| @here # > _i_ ~~d~~ \\*"


def test_names_and_errors_ping_nobody_and_style_nothing(discord: Receiver) -> None:
    channel(DISCORD).deliver([alert(subject=f"backup {HOSTILE}", error=HOSTILE)], again=False)
    (content,) = contents(discord)

    for mention in ("@everyone", "@here", "<@", "<!"):
        assert mention not in content
    # Taken back, it is what was said: nothing is lost, and nothing else is there.
    literal = content.replace("\u200b", "")
    for mark in "\\`*_~|[]<>":
        literal = literal.replace(f"\\{mark}", mark)
    assert 2 == literal.count(HOSTILE)
    marked = content.replace("\\\\", "")
    for mark in "`*_~|[]<>":
        assert marked.count(mark) == marked.count(f"\\{mark}"), mark


def test_line_that_begins_like_a_heading_is_none() -> None:
    _, text = shown(Message("t", ("# one", "> two", "- three"), "info"), {"discord"})

    assert "\\# one\n\\> two\n\\- three" == text


@pytest.mark.parametrize("letter", ["x", "*", "@", "é", "_*"])
def test_what_is_too_long_is_cut(discord: Receiver, letter: str) -> None:
    lines = tuple(letter * 490 for _ in range(9))
    title, text = shown(Message("t" * 200, lines, "failure"), {"discord"})

    assert TEXT_MAX - 20 < len(title) + len(text) <= TEXT_MAX
    assert "…" == text[-1]


def test_plain_services_keep_backslashes_and_addresses_in_mail_stay_whole() -> None:
    message = Message("root@web1", ("a*b @everyone",), "info")

    assert ("root@web1", "a*b @everyone") == shown(message, {"mailto"})
    assert ("root@\u200bweb1", "a*b @\u200beveryone") == shown(message, {"ntfy"})


def test_ntfy_is_sent_title_and_text(receiver: Receiver) -> None:
    address = receiver.url.removeprefix("http://")
    channel(f"ntfy://{address}/backups").deliver([alert()], again=False)
    (one,) = receiver.received
    payload = json.loads(one.body)

    assert "backups" == payload["topic"]
    assert "WARNING: the last good backup of web1 is 1 day old" == payload["title"]
    assert payload["message"].startswith("Last good: Mon 2024-03-04 04:00 -08:00")


def test_json_endpoint_is_sent_how_bad_it_is(receiver: Receiver) -> None:
    address = receiver.url.removeprefix("http://")
    there = channel(f"json://{address}/hook")
    there.deliver([alert(), alert(kind="resolved", lasted_s=60.0)], again=False)
    found = [json.loads(one.body) for one in receiver.received]

    assert ["warning", "success"] == [one["type"] for one in found]
    assert "RESOLVED: web1 is backed up again, after 1 min" == found[1]["title"]


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server on loopback that keeps what it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.kept: list[bytes] = []


class _Mail(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"DATA":
                self._say("354 go on")
                kept = []
                while (text := self.rfile.readline()) != b".\r\n":
                    kept.append(text)
                self.server.kept.append(b"".join(kept))
            if word == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_mail_arrives_with_a_subject(mailbox: Mailbox) -> None:
    port = mailbox.server_address[1]
    url = f"mailto://127.0.0.1:{port}?from=jak@example.org&to=me@example.org&mode=insecure"
    channel(url).deliver([alert(error="ask root@web1 <b>")], again=False)
    (mail,) = (email.message_from_bytes(kept, policy=email.policy.default) for kept in mailbox.kept)
    body = mail.get_body(("plain", "html"))

    assert "WARNING: the last good backup of web1 is 1 day old" == mail["Subject"]
    assert body is not None
    assert "root@web1" in body.get_content()
    assert "<b>" not in body.get_content() or body.get_content_type() == "text/plain"


def test_refusal_is_told_and_not_swallowed(
    discord: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    discord.mood = "refuse"
    with pytest.raises(DeliveryFailed, match=r"people: the message was not taken: .*503"):
        channel(DISCORD).deliver([alert()], again=False)

    assert ("", "") == capfd.readouterr()


def test_url_that_is_none_is_told_without_it() -> None:
    with pytest.raises(DeliveryFailed, match="none that Apprise knows") as raised:
        channel("a-secret").deliver([alert()], again=False)

    assert "a-secret" not in str(raised.value)


def test_secret_that_cannot_be_had_is_a_failed_delivery() -> None:
    def url() -> str:
        raise CannotVerify("/etc/discord", "cannot be read", "let this user read it")

    with pytest.raises(DeliveryFailed, match="its URL cannot be had: /etc/discord"):
        Channel("people", url).deliver([alert()], again=False)


def test_try_out_says_that_it_is_a_test(discord: Receiver) -> None:
    channel(DISCORD).try_out()

    assert contents(discord)[0].startswith("TEST: ")


@dataclass(frozen=True)
class Said:
    """What a look says of an incident: kind, level, what was heard before, what is known now."""

    kind: str
    level: str
    heard: str | None
    known: str | None
    goes_on: bool = False


OPENED = Said("opened", "warning", None, "warning")
ESCALATED = Said("escalated", "alarm", "warning", "alarm")
REMINDED = Said("reminded", "warning", "warning", "warning")
RESOLVED = Said("resolved", "warning", "warning", "warning")
RESOLVED_ALARM = Said("resolved", "alarm", "alarm", "alarm")
OVER_AT_ONCE = Said("resolved", "alarm", None, "alarm")
HIDDEN_ALARM = Said("resolved", "alarm", "warning", "warning")
OPENED_AS_ALARM = Said("escalated", "alarm", None, "alarm")


@pytest.mark.parametrize(
    ("said", "by_warning", "by_escalations", "by_alarm"),
    [
        (OPENED, True, True, False),
        (ESCALATED, False, True, True),
        (REMINDED, True, True, False),
        (RESOLVED, True, True, False),
        (RESOLVED_ALARM, True, True, True),
        (OVER_AT_ONCE, True, True, True),
        (HIDDEN_ALARM, True, True, False),
        (OPENED_AS_ALARM, True, True, True),
        (replace(OPENED, goes_on=True), False, False, False),
    ],
)
def test_channel_hears_what_it_is_for(
    said: Said, by_warning: bool, by_escalations: bool, by_alarm: bool
) -> None:
    fields = {name: getattr(said, name) for name in Said.__dataclass_fields__}
    delivery = alert(**fields)

    assert by_warning is channel(DISCORD).takes(delivery)
    assert by_escalations is channel(DISCORD, escalations=True).takes(delivery)
    assert by_alarm is channel(DISCORD, level="alarm").takes(delivery)


def test_first_word_to_a_channel_for_alarms_is_no_reminder(discord: Receiver) -> None:
    there = channel(DISCORD, level="alarm")
    there.deliver(
        [alert(kind="reminded", level="alarm", heard="warning", known="alarm")], again=False
    )

    assert contents(discord)[0].startswith("ALARM: ")


def test_channel_hears_of_reports_from_its_verdict_on(discord: Receiver) -> None:
    (bad,) = first_notice(drilled(corrupted=1))

    assert () == first_notice(drilled(corrupted=0))
    assert channel(DISCORD).takes(bad)
    assert not channel(DISCORD, reports="never").takes(bad)
    assert not channel(DISCORD).takes(report_delivery(drilled(corrupted=1)))
    channel(DISCORD).deliver([bad], again=False)
    assert contents(discord)[0].startswith("monthly CRITICAL: corrupted 1")


@pytest.mark.parametrize("kind", ["backup", "log", "metrics", "start", "end"])
def test_channel_hears_of_nothing_else(kind: Any) -> None:
    assert not channel(DISCORD).takes(Delivery(kind, AT, {}))
