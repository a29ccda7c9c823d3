"""What Prometheus is told, as text: from a state, by prometheus_client. Pure.

Instants are seconds since 1970, so that a rule asks whether one has passed, and how long ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from verifier.core.finding import Verdict
from verifier.monitor.state import HostState, State
from verifier.monitor.telemetry import BackupRun

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, tuple[str, ...], float]
"""Name, the values of its labels, value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: the names of its labels, and what it says."""

    labels: tuple[str, ...]
    about: str


_HOST = ("host",)

METRICS = {
    "restic_backup_last_success_timestamp_seconds": Metric(
        _HOST, "when the last good backup began"
    ),
    "restic_backup_last_end_timestamp_seconds": Metric(_HOST, "when the last backup ended"),
    "restic_backup_last_status": Metric(_HOST, "how the last backup ended: 0 is success"),
    "restic_backup_duration_seconds": Metric(_HOST, "how long the last backup took"),
    "restic_backup_added_bytes": Metric(_HOST, "what the last backup added to the repository"),
    "restic_backup_processed_bytes": Metric(_HOST, "what the last backup went through"),
    "restic_backup_files": Metric(
        ("host", "state"), "files of the last backup: `new`, `changed`, `unmodified`"
    ),
    "restic_backup_errors": Metric(_HOST, "files that the last backup could not read"),
    "restic_backup_info": Metric(("host", "restic"), "1, with the release that made the last one"),
    "restic_backup_overdue_timestamp_seconds": Metric(
        _HOST, "when the last good backup is worth a warning, if nothing more is heard"
    ),
    "restic_backup_alarm_timestamp_seconds": Metric(_HOST, "when it is worth an alarm"),
    "restic_cycle_last_end_timestamp_seconds": Metric((), "when the last run that ended did so"),
    "restic_cycle_last_status": Metric((), "how it ended: 0 is success"),
    "restic_cycle_stage_duration_seconds": Metric(("stage",), "how long each of its stages took"),
    "restic_cycle_stage_status": Metric(("stage",), "how each of its stages ended"),
    "restic_verify_verdict": Metric(
        ("kind",),
        "the verdict of the last report, unless a later `monthly` looked at the same: 0 OK, "
        "1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    ),
    "restic_verify_last_run_timestamp_seconds": Metric(("kind",), "when it was finished"),
    "restic_verify_findings": Metric(
        ("kind", "severity"), "how many findings of each severity it has"
    ),
    "restic_verify_last_ok_timestamp_seconds": Metric(
        _HOST, "when the host's backup was last proven good"
    ),
    "restic_verify_overdue_timestamp_seconds": Metric(
        _HOST, "when that is worth a warning, if nothing more is heard"
    ),
    "restic_verify_alarm_timestamp_seconds": Metric(_HOST, "when it is worth an alarm"),
    "restic_verify_last_look_timestamp_seconds": Metric(
        (), "when the alert rules were last looked at: the dead man's switch"
    ),
    "restic_verify_incident": Metric(("subject", "level"), "1 for each incident that is open"),
}
"""Every metric, in the order of the exposition; docs/sinks.md has the same table."""


def exposition(state: State) -> str:
    """Return the state as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(tuple(_samples(state))))
    return generate_latest(registry).decode()


class _Told(Collector):
    """Samples as prometheus_client asks for them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric that has a sample."""
        for name, metric in METRICS.items():
            about = f"{metric.about[0].upper()}{metric.about[1:]}."
            family = GaugeMetricFamily(name, about, labels=metric.labels)
            for sampled, labels, value in self._samples:
                if sampled == name:
                    family.add_metric(list(map(_whole, labels)), value)
            if family.samples:
                yield family


def _samples(state: State) -> Iterator[Sample]:
    for host in state.hosts:
        yield from _host(host)
    yield from _cycle(state)
    for report in state.reports:
        kind = (report.kind,)
        yield from _at("restic_verify_last_run_timestamp_seconds", kind, report.finished_at)
        if not report.stands:
            continue
        yield "restic_verify_verdict", kind, report.verdict.value
        for severity in Verdict.__members__:
            count = report.findings.get(severity, 0)
            yield "restic_verify_findings", (report.kind, severity), count
    yield from _at("restic_verify_last_look_timestamp_seconds", (), state.looked_at)
    for subject, level in state.incidents.items():
        yield "restic_verify_incident", (subject, level), 1


def _host(state: HostState) -> Iterator[Sample]:
    host = (state.host,)
    began_at = state.good.began_at if state.good else None
    yield from _at("restic_backup_last_success_timestamp_seconds", host, began_at)
    if state.last:
        yield from _backup(host, state.last)
    yield from _at("restic_verify_last_ok_timestamp_seconds", host, state.verified_at)
    for room, expected in (("backup", state.backup), ("verify", state.verification)):
        if expected and not expected.told:
            # It is heard of, and never late: who asks for it is not to take it for lost.
            yield f"restic_{room}_overdue_timestamp_seconds", host, math.nan
        elif expected:
            yield from _at(f"restic_{room}_overdue_timestamp_seconds", host, expected.overdue_at)
            yield from _at(f"restic_{room}_alarm_timestamp_seconds", host, expected.alarm_at)


def _backup(host: tuple[str], run: BackupRun) -> Iterator[Sample]:
    yield from _at("restic_backup_last_end_timestamp_seconds", host, run.ended_at)
    yield "restic_backup_last_status", host, run.status
    yield "restic_backup_duration_seconds", host, run.duration_s
    yield "restic_backup_added_bytes", host, run.added_bytes
    yield "restic_backup_processed_bytes", host, run.processed_bytes
    yield "restic_backup_files", (*host, "new"), run.files_new
    yield "restic_backup_files", (*host, "changed"), run.files_changed
    yield "restic_backup_files", (*host, "unmodified"), run.files_unmodified
    yield "restic_backup_errors", host, run.errors
    yield "restic_backup_info", (*host, run.restic), 1


def _cycle(state: State) -> Iterator[Sample]:
    cycle = state.cycle
    if cycle is None or cycle.status is None:
        return
    yield from _at("restic_cycle_last_end_timestamp_seconds", (), cycle.ended_at)
    yield "restic_cycle_last_status", (), cycle.status
    # A stage of all hosts may be done once for each of several places.
    for stage in {stage.name: stage for stage in cycle.stages}.values():
        yield "restic_cycle_stage_duration_seconds", (stage.name,), stage.duration_s
        yield "restic_cycle_stage_status", (stage.name,), stage.status


def _at(name: str, labels: tuple[str, ...], at: datetime | None) -> Iterator[Sample]:
    if at is not None:
        yield name, labels, at.timestamp()


def _whole(text: str) -> str:
    # Half a character of a name has no place in its UTF-8.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
