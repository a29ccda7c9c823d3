"""Metrics: what a history and a look come to, as Prometheus' own parser reads it."""

from __future__ import annotations

import math
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.house.tree import ROOT
from tests.monitor import envelopes
from tests.monitor.alerting import CONFIG, backup, cycle
from tests.monitor.test_notices import AWAY, report
from tests.servers.programs import find
from verifier.cli.alert_look import fires
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.evaluation import evaluate
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.metrics import METRICS, exposition
from verifier.monitor.state import HostState, State, read_state
from verifier.monitor.telemetry import BackupRun, CycleRun, StageRun

DAY = timedelta(days=1)
BEGUN = datetime(2024, 3, 4, 12, tzinfo=UTC)
"""04:00 in Los Angeles, which is when CONFIG has its backups."""

Samples = dict[tuple[str, tuple[str, ...]], float]


def _state(history: History, now: datetime) -> State:
    look = evaluate(CONFIG, history, HistorySource(history), fires(CONFIG), now)
    return read_state(history, look.watched, look.look.watches)


def _samples(text: str) -> Samples:
    return {
        (
            sample.name,
            tuple(sample.labels[name] for name in METRICS[sample.name].labels),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _told(tmp_path: Path, now: datetime, *cycles: CycleRun) -> Samples:
    with open_history(tmp_path / "history") as history:
        for one in cycles:
            history.record_cycle(one)
        return _samples(exposition(_state(history, now)))


def test_last_backup_is_told(tmp_path: Path) -> None:
    run = BackupRun("web1", BEGUN, 90, 0, "2099a2b0", "0.18.0", 1, 2, 3, 4096, 1024, 5)
    told = _told(tmp_path, BEGUN + DAY, cycle(BEGUN, run))

    assert BEGUN.timestamp() == told["restic_backup_last_success_timestamp_seconds", ("web1",)]
    assert BEGUN.timestamp() + 90 == told["restic_backup_last_end_timestamp_seconds", ("web1",)]
    assert [90, 1024, 4096, 5, 0] == [
        told[f"restic_backup_{name}", ("web1",)]
        for name in ("duration_seconds", "added_bytes", "processed_bytes", "errors", "last_status")
    ]
    assert [1, 2, 3] == [
        told["restic_backup_files", ("web1", state)] for state in ("new", "changed", "unmodified")
    ]
    assert 1 == told["restic_backup_info", ("web1", "0.18.0")]


def test_failure_leaves_the_last_success(tmp_path: Path) -> None:
    cycles = [
        cycle(BEGUN, backup("web1", BEGUN)),
        cycle(BEGUN + DAY, backup("web1", BEGUN + DAY, status=3)),
    ]
    told = _told(tmp_path, BEGUN + DAY + timedelta(hours=1), *cycles)

    assert BEGUN.timestamp() == told["restic_backup_last_success_timestamp_seconds", ("web1",)]
    assert 3 == told["restic_backup_last_status", ("web1",)]


def test_overdue_is_when_the_rule_opens(tmp_path: Path) -> None:
    told = _told(tmp_path, BEGUN + timedelta(hours=3), cycle(BEGUN, backup("web1", BEGUN)))

    # 24 hours, and an hour in which nothing is heard of the run that is due then.
    assert (BEGUN + timedelta(hours=25)).timestamp() == told[
        "restic_backup_overdue_timestamp_seconds", ("web1",)
    ]
    assert (BEGUN + timedelta(hours=28)).timestamp() == told[
        "restic_backup_alarm_timestamp_seconds", ("web1",)
    ]
    assert told["restic_verify_overdue_timestamp_seconds", ("web1",)] > BEGUN.timestamp()


def test_failure_brings_it_forward(tmp_path: Path) -> None:
    cycles = [
        cycle(BEGUN, backup("web1", BEGUN)),
        cycle(BEGUN + DAY, backup("web1", BEGUN + DAY, timedelta(), status=3)),
    ]
    told = _told(tmp_path, BEGUN + DAY + timedelta(minutes=5), *cycles)

    assert (BEGUN + DAY).timestamp() == told["restic_backup_overdue_timestamp_seconds", ("web1",)]


def test_host_that_never_had_a_backup_is_told(tmp_path: Path) -> None:
    told = _told(tmp_path, BEGUN)

    assert ("restic_backup_last_success_timestamp_seconds", ("db1",)) not in told
    assert told["restic_backup_overdue_timestamp_seconds", ("db1",)] > BEGUN.timestamp()


def test_run_that_goes_on_leaves_the_one_before(tmp_path: Path) -> None:
    stages = (StageRun("forget", BEGUN, 7, 0), StageRun("prune", BEGUN, 8, 1))
    ended = CycleRun("jak", "run-backups", BEGUN, 100, 1, (), stages)
    told = _told(tmp_path, BEGUN + DAY, ended, cycle(BEGUN + DAY, status=None))

    assert BEGUN.timestamp() + 100 == told["restic_cycle_last_end_timestamp_seconds", ()]
    assert 1 == told["restic_cycle_last_status", ()]
    assert (7, 1) == (
        told["restic_cycle_stage_duration_seconds", ("forget",)],
        told["restic_cycle_stage_status", ("prune",)],
    )


def test_newest_report_of_each_kind_is_told(tmp_path: Path) -> None:
    report = envelopes.drilled(corrupted=2)
    with open_history(tmp_path / "history") as history:
        history.record_report(report)
        told = _samples(exposition(_state(history, BEGUN)))

    finished = datetime.fromisoformat(str(report["finished"]))
    assert 2 == told["restic_verify_verdict", ("monthly",)]
    assert 2 == told["restic_verify_findings", ("monthly", "CRITICAL")]
    assert 0 == told["restic_verify_findings", ("monthly", "UNKNOWN")]
    assert finished.timestamp() == told["restic_verify_last_run_timestamp_seconds", ("monthly",)]


def test_good_verification_and_open_incident_are_told(tmp_path: Path) -> None:
    good = envelopes.drilled()
    host = good["drill"]["hosts"][0]["host"]  # type: ignore[index]
    finished = datetime.fromisoformat(str(good["finished"]))
    with open_history(tmp_path / "history") as history:
        history.record_report(good)
        first = evaluate(CONFIG, history, HistorySource(history), fires(CONFIG), BEGUN)
        history.save_look(first.look.watches, (), BEGUN)
        told = _samples(exposition(_state(history, BEGUN + 3 * DAY)))

    assert finished.timestamp() == told["restic_verify_last_ok_timestamp_seconds", (host,)]
    assert BEGUN.timestamp() == told["restic_verify_last_look_timestamp_seconds", ()]
    assert 1 == told["restic_verify_incident", ("backup web1", "alarm")]


def test_reading_the_state_keeps_nothing(tmp_path: Path) -> None:
    with open_history(tmp_path / "history") as history:
        _state(history, BEGUN)

        assert (None, {}) == (history.looked_at(), history.watches())


def test_hostile_names_are_read_back() -> None:
    name = 'a"b\\c\nd\udcff'
    told = _samples(
        exposition(
            State(
                (HostState(name, backup(name, BEGUN), None, None, None, None),), None, (), None, {}
            )
        )
    )

    assert ("restic_backup_last_status", ('a"b\\c\nd\ufffd',)) in told


def test_every_metric_is_told_by_some_state(tmp_path: Path) -> None:
    stage = StageRun("forget", BEGUN, 7, 0)
    ended = CycleRun("jak", "run-backups", BEGUN, 9, 0, (backup("web1", BEGUN),), (stage,))
    with open_history(tmp_path / "history") as history:
        history.record_cycle(ended)
        history.record_report(envelopes.drilled())
        watches: dict[str, Watch] = dict(
            evaluate(CONFIG, history, HistorySource(history), fires(CONFIG), BEGUN).look.watches
        )
        history.save_look(watches, (), BEGUN)
        text = exposition(_state(history, BEGUN + 3 * DAY))

    assert list(METRICS) == re.findall(r"^# TYPE (\S+) gauge$", text, re.M)


@pytest.mark.heavy
def test_promtool_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    with open_history(tmp_path / "history") as history:
        history.record_cycle(cycle(BEGUN, backup("web1", BEGUN)))
        text = exposition(_state(history, BEGUN + DAY))
    argv = (find("promtool", package="prometheus"), "check", "metrics")
    said = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)

    assert (0, "", "") == (said.returncode, said.stdout, said.stderr)


def test_documented_metrics_are_the_codes() -> None:
    page = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")
    rows = [
        f"| `{name}` | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} "
        f"| {metric.about} |"
        for name, metric in METRICS.items()
    ]

    assert "\n".join(rows) in page


def test_instants_of_backups_that_nothing_is_said_of_are_no_number(tmp_path: Path) -> None:
    """They are heard of, and never late: one incident stands for all of them."""
    told = _told(tmp_path, BEGUN + DAY, cycle(BEGUN))

    assert math.isnan(told["restic_backup_overdue_timestamp_seconds", ("web1",)])
    assert ("restic_backup_alarm_timestamp_seconds", ("web1",)) not in told


@pytest.mark.parametrize("later", [True, False])
def test_verdict_that_a_later_monthly_stands_for_is_not_exposed(
    tmp_path: Path, later: bool
) -> None:
    """Nobody repeats an audit that was run by hand, and its alert would fire for ever."""
    with open_history(tmp_path / "history") as history:
        history.record_report(report("audit", BEGUN, AWAY))
        if later:
            history.record_report(report("monthly", BEGUN + DAY, ()))
        told = _samples(exposition(_state(history, BEGUN + 2 * DAY)))

    assert later == (("restic_verify_verdict", ("audit",)) not in told)
    assert later == (("restic_verify_verdict", ("monthly",)) in told)
    assert ("restic_verify_last_run_timestamp_seconds", ("audit",)) in told
