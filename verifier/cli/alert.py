"""`restic-verify alert`: hold the alert rules against what is known, once, and tell what follows.

Also sends a test through every channel and sink, and makes, lists and ends silences.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.cli.options import span_option
from verifier.core.errors import UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.monitor.history.incidents import PastSilence
    from verifier.monitor.history.memory import History

ACTIONS = ("look", "test", "silence")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "action",
        nargs="?",
        choices=ACTIONS,
        default="look",
        help="look (default): evaluate once and send; test: send a test to every channel and sink; "
        "silence: mute a subject for a while",
    )
    add(
        "subject",
        metavar="SUBJECT",
        nargs="?",
        help="of a silence, as a shell pattern: 'backup web1', 'verification *', verifier",
    )
    add("--config", metavar="FILE", help="the configuration")
    add("--history", metavar="FILE", help="the history file (default: history.file)")
    silence = parser.add_argument_group("silence")
    silence.add_argument("--for", dest="span", metavar="SPAN", help="how long: 90min, 4h, 2d")
    silence.add_argument("--reason", metavar="TEXT", help="why, for whoever reads it")
    silence.add_argument("--list", action="store_true", help="list the silences that are not over")
    silence.add_argument("--end", metavar="N", help="end the silence of that number now")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Look, test or silence, and conclude."""
    from verifier.cli.drilling import find_config
    from verifier.config.load import load
    from verifier.monitor.history.memory import open_history

    _check(options)
    file = find_config(options.config)
    config = load(file, context.environ)
    inputs = {
        "config": str(file),
        "config_sha256": config.digest(),
        "action": options.action,
    }
    if options.action == "test":
        return _tested(config, context, inputs)
    path = Path(options.history or config.history.file)
    inputs["history"] = str(path)
    if options.action == "silence":
        return _silenced(options, config, context, path, inputs)
    with open_history(path) as history:
        return _looked(config, context, history, inputs)


def _check(options: argparse.Namespace) -> None:
    """See that the options fit the action.

    Raises:
        UsageError: they do not.
    """
    given = [
        name
        for name, value in (
            ("SUBJECT", options.subject),
            ("--for", options.span),
            ("--reason", options.reason),
            ("--list", options.list),
            ("--end", options.end),
        )
        if value
    ]
    if options.action != "silence":
        if given:
            remedy = "write `restic-verify alert silence …`, or leave it away"
            raise UsageError(given[0], f"belongs to silence, not to {options.action}", remedy)
        return
    ways = {("--list",), ("--end",), ("SUBJECT", "--for", "--reason")}
    if tuple(given) not in ways:
        remedy = "write SUBJECT --for SPAN --reason TEXT, or --list, or --end N"
        raise UsageError("silence", "needs a subject, a span and a reason", remedy)


def _looked(config: Config, context: Context, history: History, inputs: dict[str, str]) -> Report:
    from verifier.cli.alert_look import findings_of, section_of, take_look

    started_at = context.clock.now()
    evaluation, undelivered = take_look(config, context, history, started_at)
    report = _concluded(
        findings_of(evaluation, config),
        Coverage("subjects", len(evaluation.watched), len(evaluation.watched)),
        (started_at, context.clock.now()),
        {**inputs, "now": started_at.isoformat(), "source": config.alerts.source},
        section_of(evaluation, config, history),
    )
    # What a sink did not take changes no verdict.
    return replace(report, findings=(*report.findings, *undelivered))


def _tested(config: Config, context: Context, inputs: dict[str, str]) -> Report:
    from verifier.cli.channels import try_out

    started_at = context.clock.now()
    trials = try_out(config, context)
    tried = [trial for trial in trials if trial["arrived"] is not None]
    arrived = sum(trial["arrived"] is True for trial in tried)
    findings = tuple(
        Finding("not-delivered", trial["name"], trial["detail"])
        for trial in tried
        if not trial["arrived"]
    )
    if not arrived:
        said = "no test arrived anywhere" if tried else "no sink that is configured takes a test"
        if not trials:
            said = "no channel or sink is configured: add [[alerts.channels]] or [sinks]"
        findings = (*findings, Finding("empty", "alert", said))
    return _concluded(
        findings,
        Coverage("channels and sinks", arrived, len(trials)),
        (started_at, context.clock.now()),
        inputs,
        {"trials": trials},
    )


def _silenced(
    options: argparse.Namespace,
    config: Config,
    context: Context,
    path: Path,
    inputs: dict[str, str],
) -> Report:
    from verifier.cli.alert_look import silences_section
    from verifier.monitor.alerts.silence import Silence
    from verifier.monitor.history.memory import open_history

    now = context.clock.now()
    # A history is made for a silence alone, and for none that is refused.
    if options.end:
        number = _silence_number(options.end, path, now)
        with open_history(path) as history:
            history.end_silence(number, now)
    elif not options.list:
        _require_a_subject(options.subject, config)
        until = now + span_option("--for", options.span)
        with open_history(path) as history:
            history.add_silence(Silence(options.subject, now, until), options.reason)
    with open_history(path, read_only=True) as history:
        silences = silences_section(config, history, now)
    return _concluded(
        (), Coverage("silences", 1, 1), (now, context.clock.now()), inputs, {"silences": silences}
    )


def _silence_number(text: str, path: Path, now: datetime) -> int:
    """Return the number of a silence that is not over.

    Raises:
        UsageError: there is none of that number.
    """
    from verifier.database.owned import is_there
    from verifier.monitor.history.memory import open_history

    silences: tuple[PastSilence, ...] = ()
    if is_there(path):
        with open_history(path, read_only=True) as history:
            silences = history.silences()
    numbers = {past.number for past in silences if past.silence.until_at > now}
    if text.isascii() and text.isdigit() and int(text) in numbers:
        return int(text)
    named = ", ".join(map(str, sorted(numbers))) or "none at all"
    raise UsageError("--end", f"there is no silence {text} that lasts", f"those that do: {named}")


def _require_a_subject(pattern: str, config: Config) -> None:
    from fnmatch import fnmatchcase

    from verifier.cli.alert_look import subjects_of

    known = subjects_of(config)
    if not any(fnmatchcase(subject, pattern) for subject in known):
        remedy = f"subjects are {', '.join(known)}; patterns as 'backup *' name several"
        raise UsageError(pattern, "covers nothing that is watched", remedy)


def _concluded(
    findings: Iterable[Finding],
    coverage: Coverage,
    times: tuple[datetime, datetime],
    inputs: dict[str, str],
    section: dict[str, object],
) -> Report:
    return conclude(
        "alert",
        tuple(findings),
        coverage,
        started_at=times[0],
        finished_at=times[1],
        tool=versions(),
        inputs=inputs,
        sections={"alert": section},
    )
