"""What people read of an incident or a report: a title, and a few lines of plain words.

Pure, from the body of a delivery alone. Nothing here is escaped: that is the affair of the channel,
which knows what its readers' programs would obey.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from verifier.core.finding import Verdict
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.summary import verdict_line, worst_first
from verifier.monitor.render.wording import count, moment, printable, span
from verifier.monitor.subjects import BACKUPS, VERIFIER, host_of, is_backup

Tone = Literal["info", "success", "warning", "failure"]
"""How bad it is, in the words of those who carry it."""

LINE_MAX = 500
FINDINGS_LISTED = 5

_TONES: Mapping[str, Tone] = {"OK": "success", "WARNING": "warning"}


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads. Its lines hold no line ends, and nothing that a terminal would obey."""

    title: str
    lines: tuple[str, ...]
    tone: Tone

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def alert_message(body: Mapping[str, Any], *, is_first: bool) -> Message:
    """Return what is said of a transition.

    Args:
        body: of a delivery of kind `alert`.
        is_first: the reader has not heard of the incident before.
    """
    about, level = body["subject"], body["level"].upper()
    if body["kind"] == "resolved":
        title = f"RESOLVED: {_well(body)}"
        return message(title, _resolved(body, is_first=is_first), "success")
    word = {"reminded": "STILL "}.get(body["kind"], "") if not is_first else ""
    title = f"{word}{level}: {_trouble(about, body)}"
    tone: Tone = "failure" if body["level"] == "alarm" else "warning"
    return message(title, _open(body), tone)


def _trouble(subject: str, body: Mapping[str, Any]) -> str:
    age, host = span(body["age_s"]), host_of(subject)
    if subject == BACKUPS:
        return f"nothing has been said of any backup for {age}"
    if not host:
        return f"nobody looked at the alert rules for {_gap(body['before_at'], body['looked_at'])}"
    thing = "backup" if is_backup(subject) else "verification"
    if body["never"]:
        return f"{host} has never had a good {thing}"
    return f"the last good {thing} of {host} is {age} old"


def _well(body: Mapping[str, Any]) -> str:
    subject, lasted = body["subject"], span(body["lasted_s"])
    host = host_of(subject)
    if subject == BACKUPS:
        return f"runs tell of backups again, after {lasted}"
    if not body["watched"]:
        return f"{subject} is watched no more"
    if not host:
        return f"nobody looked at the alert rules for {_gap(body['before_at'], body['at'])}"
    thing = "backed up" if is_backup(subject) else "verified"
    return f"{host} is {thing} again, after {lasted}"


def _open(body: Mapping[str, Any]) -> Iterator[str]:
    host, since = host_of(body["subject"]), moment(body["good_at"])
    if body["subject"] == BACKUPS:
        yield f"Runs end well, and since {since} none of them has said what it backed up."
    elif not host:
        yield _nobody_looked(body)
    elif body["never"]:
        yield f"It is waited for since {since}."
    else:
        snapshot = f", snapshot {body['snapshot'][:8]}" if body["snapshot"] else ""
        yield f"Last good: {since}{snapshot}."
    if host:
        yield from cause(body)
    yield f"Incident since {moment(body['opened_at'])}."
    if body["alarm_at"]:
        yield f"It becomes an alarm at {moment(body['alarm_at'])}."
    if body["remedy"]:
        yield f"What to do: {body['remedy']}."


def _nobody_looked(body: Mapping[str, Any]) -> str:
    begun, ended = moment(body["before_at"]), moment(body["looked_at"])
    return f"From {begun} to {ended} nobody looked; what happened meanwhile is told now."


def _gap(begun: str, ended: str) -> str:
    return span((datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds())


def cause(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a subject is too old, as far as that is known: a line or two."""
    if body["failed_at"]:
        yield f"Failed at {moment(body['failed_at'])}."
        if body["error"]:
            yield f"Last error: {body['error']}"
    elif body["due_at"]:
        yield f"Nothing was heard of the run that was due at {moment(body['due_at'])}."


def _resolved(body: Mapping[str, Any], *, is_first: bool) -> Iterator[str]:
    begun, ended = moment(body["opened_at"]), moment(body["at"])
    if body["subject"] == BACKUPS:
        yield "Each host's backups are watched from now on."
    elif body.get("named") and not body["watched"]:
        yield "Runs say nothing of any host, which is one incident of all their backups."
    elif not body["watched"]:
        yield "The configuration does not name it any more."
    elif not host_of(body["subject"]):
        yield _nobody_looked(body)
    else:
        snapshot = f", snapshot {body['snapshot'][:8]}" if body["snapshot"] else ""
        yield f"Last good: {moment(body['good_at'])}{snapshot}."
    yield f"The incident lasted {span(body['lasted_s'])}: from {begun} to {ended}."
    if is_first and body["subject"] != VERIFIER:
        yield "It was over before anybody could be told of it."


def report_message(
    envelope: Mapping[str, object], news: str = "bad", before: Mapping[str, str] | None = None
) -> Message:
    """Return what is said of a report: its verdict in a sentence, and its worst findings.

    Args:
        news: `bad`; `still`, where the one before said the same; `over`, where it was bad and
            this one is not.
        before: kind, verdict and end of that one.
    """
    report = cast(Envelope, envelope)
    verdict = report["verdict"]
    wrong = [one for one in worst_first(report["findings"]) if one["severity"] != "OK"]
    lines = [
        f"{one['severity']} {one['kind']}: {one['subject']}: {one['detail']}"
        for one in wrong[:FINDINGS_LISTED]
    ]
    if len(wrong) > FINDINGS_LISTED:
        lines.append(f"… and {count(len(wrong) - FINDINGS_LISTED, 'finding')} more")
    lines.append(f"Finished {moment(report['finished'])}.")
    if before and news != "bad":
        ended = f"ended with {before['verdict']}"
        lines.append(f"The {before['kind']} of {moment(before['finished'])} {ended}.")
    word = {"still": "STILL ", "over": "RESOLVED: "}.get(news, "")
    title = f"{word}{report['kind']} {verdict}: {verdict_line(report)}"
    return message(title, lines, _TONES.get(verdict, "failure"))


def trial_message(channel: str) -> Message:
    """Return what a channel is sent to see whether it arrives."""
    lines = (
        "Somebody ran `restic-verify alert test`. Nothing is wrong, and nothing is to be done.",
        f"This is what the channel {channel} says when something is.",
    )
    return message("TEST: restic-verify can reach you", lines, "info")


def is_as_bad(verdict: str, threshold: str) -> bool:
    """Say whether a report's verdict is at least as bad as a channel wants to hear of."""
    return threshold != "never" and Verdict[verdict].rank >= Verdict[threshold].rank


def message(title: str, lines: Iterable[str], tone: Tone) -> Message:
    """Return a message of lines that nobody's terminal obeys, none of them too long."""
    return Message(_line(title, 200), tuple(_line(line, LINE_MAX) for line in lines), tone)


def _line(text: str, length_max: int) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"
