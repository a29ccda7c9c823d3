"""Whether what is told would arrive: each sink asked a harmless question, and nothing sent.

A ping is not asked, since any request counts as one; a channel is parsed by Apprise and told
nothing (`restic-verify alert test` tells).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import httpx

from verifier.config.monitor import Channel, ClickHouse, History, Ping, Sinks, Webhook
from verifier.config.values import Secret
from verifier.core.checkup import Question, Seen, Subject, broken, fine, flawed, needless
from verifier.core.errors import CannotVerify, DeliveryFailed, UsageError, to_install
from verifier.database.owned import is_there
from verifier.monitor.clickhouse_columns import (
    LOGS_NEEDED,
    ROWS_NEEDED,
    description,
    parse_columns,
)
from verifier.monitor.sinks.apprise import kept_complaints
from verifier.monitor.spool import Queue

ReadSecret = Callable[[Secret], str]

_JOURNAL = Path("/run/systemd/journal/socket")
_WAITING = timedelta(hours=1)
"""What waits longer has been tried again several times."""


def sinks(table: Sinks, secret: ReadSecret) -> Subject:
    """Return the questions about the sinks that are configured."""
    limit_s = table.timeout.total_seconds()
    questions: list[Question] = []
    if table.clickhouse:
        ask = partial(ask_clickhouse, table.clickhouse, secret, limit_s)
        questions.append(Question("clickhouse", ask))
    if table.prometheus and table.prometheus.pushgateway:
        ask = partial(ask_pushgateway, table.prometheus.pushgateway, limit_s)
        questions.append(Question("pushgateway", ask))
    if table.prometheus and table.prometheus.textfile:
        file = Path(table.prometheus.textfile)
        questions.append(Question("textfile", partial(ask_textfile, file)))
    if table.journal:
        questions.append(Question("journal", partial(ask_journal, _JOURNAL)))
    if table.webhook:
        ask = partial(ask_webhook, table.webhook, secret, limit_s)
        questions.append(Question("webhook", ask))
    for ping in table.pings:
        questions.append(Question(f"ping of {ping.job}", partial(ask_ping, ping, secret)))
    none = Question("sinks", lambda: needless("none is configured"))
    return Subject("sinks", tuple(questions) or (none,))


def channels(tables: tuple[Channel, ...], secret: ReadSecret) -> Subject:
    """Return the questions about the people who are told."""
    none = Question("channels", lambda: needless("none is configured: nobody is told"))
    questions = (Question(c.name, partial(ask_channel, c, secret)) for c in tables)
    return Subject("channels", tuple(questions) or (none,))


def spool(history: History, now: datetime) -> Question:
    """Return the question about what waits to be sent again."""
    return Question("spool", partial(ask_spool, Path(history.spool), now))


def ask_clickhouse(table: ClickHouse, secret: ReadSecret, limit_s: float) -> Seen:
    """Ask ClickHouse for the number 1, and for its tables, as the user that writes there."""
    password = _kept(table.password, secret) if table.password else ""
    # In UTF-8, which a header of one's own could not hold.
    login = httpx.BasicAuth(table.user or "default", password)
    asked = httpx.Request("GET", table.url, params={"query": "SELECT 1"})

    def judge(answer: httpx.Response) -> Seen:
        said = answer.text.strip()
        if answer.status_code == httpx.codes.OK and said == "1":
            return fine(f"{table.url} answers")
        remedy = "see that sinks.clickhouse names its HTTP interface, its user and password"
        first = said.partition("\n")[0][:160]
        return broken(f"{table.url} answers {answer.status_code}: {first}", remedy)

    seen = _asked(asked, limit_s, judge, login)
    names = (table.table, LOGS_NEEDED), (table.results, ROWS_NEEDED), (table.backups, ROWS_NEEDED)
    for name, needed in names if table.logs else names[1:]:
        if seen.status == "ok":
            named = f"`{table.database}`.`{name}`"
            query = {"query": description(named)}
            asked = httpx.Request("GET", table.url, params=query)
            seen = _asked(asked, limit_s, partial(_judge_table, seen, named, needed), login)
    return seen


def _judge_table(so_far: Seen, named: str, needed: tuple[str, ...], answer: httpx.Response) -> Seen:
    if answer.status_code != httpx.codes.OK:
        # What is not there is made; who may not describe a table may still write to it.
        return so_far
    try:
        parse_columns(answer.text, named, needed)
    except CannotVerify as error:
        return broken(f"{error.subject} {error.message}", error.remedy)
    return so_far


def ask_pushgateway(url: str, limit_s: float) -> Seen:
    """Ask a Pushgateway whether it is ready."""

    def judge(answer: httpx.Response) -> Seen:
        if answer.status_code == httpx.codes.OK:
            return fine(f"{url} is ready")
        remedy = "see that sinks.prometheus.pushgateway is its address"
        return broken(f"{url}/-/ready answers {answer.status_code}", remedy)

    return _asked(httpx.Request("GET", f"{url}/-/ready"), limit_s, judge)


def ask_webhook(table: Webhook, secret: ReadSecret, limit_s: float) -> Seen:
    """Ask the head of a webhook's URL; that it takes no such question is an answer too."""
    _kept(table.secret, secret)

    def judge(answer: httpx.Response) -> Seen:
        code = answer.status_code
        if code in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
            return flawed(f"{table.url} answers {code} to HEAD", "see that the path is right")
        if code >= httpx.codes.INTERNAL_SERVER_ERROR and code != httpx.codes.NOT_IMPLEMENTED:
            return broken(f"{table.url} answers {code}", "see what its server says of it")
        return fine(f"{table.url} answers")

    return _asked(httpx.Request("HEAD", table.url), limit_s, judge)


def _asked(
    request: httpx.Request,
    limit_s: float,
    judge: Callable[[httpx.Response], Seen],
    login: httpx.Auth | None = None,
) -> Seen:
    # What keeps a server from answering at all was seen, and is no error of ours.
    try:
        with httpx.Client(timeout=limit_s) as client:
            return judge(client.send(request, auth=login))
    except httpx.TimeoutException:
        return broken(f"{request.url} does not answer in time", "see that it is up")
    except httpx.HTTPError as error:
        return broken(f"{request.url} cannot be reached: {error}", "see that it is up")


def ask_textfile(file: Path) -> Seen:
    """See whether the collector's file can be written anew beside the one that is there."""
    folder = file.parent
    if not (is_there(folder) and folder.is_dir()):
        remedy = "make it, and let node-exporter have --collector.textfile.directory there"
        return broken(f"the folder {folder} is not there", remedy)
    if not os.access(folder, os.W_OK | os.X_OK):
        return broken(f"{folder} cannot be written to by this user", "let the user write there")
    return fine(f"{folder} can be written to")


def ask_journal(socket: Path) -> Seen:
    """See whether journald listens."""
    if socket.is_socket():
        return fine("journald listens")
    return broken(f"{socket} is not there", "set sinks.journal = false where there is no systemd")


def ask_ping(ping: Ping, secret: ReadSecret) -> Seen:
    """See that the address of a ping is to be had; it is not asked."""
    url = ping.url or (_kept(ping.url_secret, secret) if ping.url_secret else "")
    if not url.startswith(("http://", "https://")):
        return broken("its secret is no URL of http or https", "write the URL there")
    return fine("has its URL; not asked, since that would count")


def ask_channel(channel: Channel, secret: ReadSecret) -> Seen:
    """See that Apprise knows what a channel's URL means; nothing is sent."""
    url = _kept(channel.url, secret)
    try:
        import apprise
    except ImportError:
        return broken("what sends messages is not installed", to_install("alerts"))
    scheme = url.partition("://")[0]
    # It says why to its own log, with the URL in it.
    with kept_complaints():
        is_known = apprise.Apprise().add(url)
    if not is_known:
        remedy = "write the URL as Apprise wants it for that service"
        shown = f"its {scheme}:// URL" if scheme != url else "its secret"
        return broken(f"{shown} is none that Apprise understands", remedy)
    return fine(f"{scheme}://…, understood; nothing was sent")


def ask_spool(folder: Path, now: datetime) -> Seen:
    """See what waits to be sent again, and since when."""
    try:
        queues = [Queue(path) for path in folder.iterdir() if path.is_dir()]
        waiting = [path.stat().st_mtime for queue in queues for path in queue.waiting()]
    except FileNotFoundError:
        # Not made yet, or sent while we were looking.
        waiting = []
    except (OSError, DeliveryFailed) as error:
        return broken(f"{folder} cannot be read: {error}", "let this user read it")
    if not waiting:
        return fine("nothing waits to be sent")
    age = timedelta(seconds=now.timestamp() - min(waiting))
    saw = f"{len(waiting)} wait to be sent, the oldest for {age // timedelta(minutes=1)} min"
    return flawed(saw, "see which sink fails, above") if age > _WAITING else fine(saw)


def _kept(secret: Secret, read: ReadSecret) -> str:
    try:
        return read(secret)
    except CannotVerify as error:
        # That it cannot be read was seen: nothing could be told with it.
        raise UsageError(error.subject, error.message, error.remedy) from error
