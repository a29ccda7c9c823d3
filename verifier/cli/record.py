"""What becomes of a report besides being printed: it is signed, remembered, and told to sinks.

Nothing that goes wrong here changes what the command found: it is one more finding in the report.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from verifier.cli.context import Context
from verifier.core.errors import Interrupted, UsageError, VerifyError
from verifier.core.finding import Finding
from verifier.core.report import Report

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.monitor.delivery import Delivery
    from verifier.monitor.history.memory import History
    from verifier.monitor.render.envelope import Envelope

JOBS = frozenset({"monthly"})
"""Commands that a timer starts, whose start and end are told."""

TOLD = JOBS | {"drill", "audit"}
"""Commands whose reports are kept and told, where there is a configuration."""

LISTED = 20
"""How many kinds of findings a summary names."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run of a command that is kept and told.

    Attributes:
        name: of the command.
    """

    name: str
    config: Config
    context: Context

    def begin(self) -> None:
        """Tell that a job starts; what goes wrong with that is told at its end."""
        if self.name in JOBS:
            from verifier.cli.deliver import outbox
            from verifier.monitor.delivery import start_delivery

            now = self.context.clock.now()
            outbox(self.config, self.context).post((start_delivery(self.name, now),), now)

    def end(self, report: Report, error: BaseException | None = None) -> Report:
        """Keep a report and tell it; return it with what could not be kept or told.

        Args:
            error: why the command has no other report. Wrong usage is answered to who typed it,
                and told nobody but those who have heard of the start.
        """
        if isinstance(error, UsageError) and self.name not in JOBS:
            return report
        report = self._signed(report)
        envelope, now = report.envelope(), self.context.clock.now()
        deliveries = self._deliveries(report, envelope, now)
        try:
            if isinstance(error, Interrupted):
                # Whoever asked us to stop does not wait for a server.
                found = self._keep(envelope, deliveries, now)
            else:
                found = self._tell(envelope, deliveries, now)
        except Interrupted:
            detail = "asked to stop while it was being told: what was not sent waits"
            found = (Finding("not-delivered", "report", detail),)
        return replace(report, findings=(*report.findings, *found))

    def _signed(self, report: Report) -> Report:
        """Sign a report; return it with its place in the chain, or why it has none."""
        if self.config.evidence is None:
            return report
        from verifier.monitor.evidence.sign import Signed, sign

        made = sign(report.envelope(), self.config.evidence)
        if isinstance(made, Signed):
            return replace(report, sections={**report.sections, "signed": made.section()})
        return replace(report, findings=(*report.findings, made))

    def _deliveries(
        self, report: Report, envelope: Mapping[str, object], now: datetime
    ) -> tuple[Delivery, ...]:
        from verifier.monitor.delivery import end_delivery, report_delivery

        told = report_delivery(envelope)
        if self.name not in JOBS:
            return (told,)
        text = summary(cast("Envelope", envelope))
        return told, end_delivery(self.name, report.verdict, text, now)

    def _tell(
        self, envelope: Mapping[str, object], deliveries: tuple[Delivery, ...], now: datetime
    ) -> tuple[Finding, ...]:
        from verifier.cli.deliver import outbox, send_owed
        from verifier.monitor.history.memory import open_history
        from verifier.monitor.notices import first_notice

        try:
            with open_history(Path(self.config.history.file)) as history:
                with history.together():
                    # Killed from here on, whoever sends next sends it.
                    history.owe((*deliveries, *self._recorded(history, envelope)))
                return send_owed(self.config, self.context, history, now)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - the report stands, whatever its memory does
            told = (*deliveries, *first_notice(envelope))
            sent = outbox(self.config, self.context).flush(now, told)
            return (_forgotten(error), *sent)

    def _recorded(self, history: History, envelope: Mapping[str, object]) -> tuple[Delivery, ...]:
        from verifier.monitor.notices import record_report

        return record_report(history, envelope, self.config.alerts.remind_every)

    def _keep(
        self, envelope: Mapping[str, object], deliveries: tuple[Delivery, ...], now: datetime
    ) -> tuple[Finding, ...]:
        from verifier.cli.deliver import outbox
        from verifier.monitor.history.memory import open_history
        from verifier.monitor.notices import first_notice

        try:
            with open_history(Path(self.config.history.file)) as history, history.together():
                history.owe((*deliveries, *self._recorded(history, envelope)))
        except Exception as error:  # noqa: BLE001 - as above
            told = (*deliveries, *first_notice(envelope))
            kept = outbox(self.config, self.context).keep(told, now)
            return (_forgotten(error), *kept)
        return ()


def open_record(name: str, options: argparse.Namespace, context: Context) -> Record | None:
    """Return the record of a run; none where it is not kept, or its configuration is not there.

    What is wrong with the configuration is for the command itself to say.
    """
    if name not in TOLD or not _is_of_production(name, options, context.environ):
        return None
    from verifier.cli.drilling import find_config
    from verifier.config.load import load

    try:
        return Record(name, load(find_config(options.config), context.environ), context)
    except VerifyError:
        return None


def summary(report: Envelope) -> str:
    """Return a report in a few lines for people: its verdict, and a line a kind of trouble."""
    from verifier.monitor.render.summary import by_kind
    from verifier.monitor.render.text import log_line

    lines = [log_line(report)]
    for kind in by_kind(report["findings"]):
        if kind.severity != "OK":
            first = kind.findings[0]
            number = len(kind.findings)
            lines.append(
                f"{kind.severity} {kind.kind} ({number}): {first['subject']}: {first['detail']}"
            )
    return "\n".join(lines[: LISTED + 1])


def _is_of_production(name: str, options: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Say whether a run looks at what the configuration describes, as it is now."""
    if name == "drill":
        return not options.repo and bool(options.config or not environ.get("RESTIC_REPOSITORY"))
    if name == "audit":
        return not (options.repo or options.snapshots or options.now)
    return True


def _forgotten(error: Exception) -> Finding:
    if isinstance(error, VerifyError):
        return Finding("not-delivered", "history", f"{error.subject}: {error.message}")
    return Finding("not-delivered", "history", f"{type(error).__name__}: {error}")
