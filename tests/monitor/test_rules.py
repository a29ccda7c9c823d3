"""Prometheus' rules and Alertmanager's route, by the programs that will read them.

The rules are held against the built-in ones over whole lives of incidents, minute by minute: they
have to fire and resolve at the same instants.
"""

from __future__ import annotations

import json
import subprocess
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.monitor.alerting import CONFIG, backup, configured, cycle
from tests.monitor.envelopes import drilled
from tests.servers.programs import find
from verifier.config.models import Config
from verifier.cycle.coordinator import fire_times
from verifier.monitor.alerts.transition import Transition
from verifier.monitor.evaluation import evaluate
from verifier.monitor.heard import HistorySource
from verifier.monitor.history.memory import History, open_history
from verifier.monitor.metrics import exposition
from verifier.monitor.rules import alertmanager_config, prometheus_rules
from verifier.monitor.state import read_state
from verifier.monitor.subjects import VERIFIER, backup_subject, verification_subject

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HOST = "web1"


def promtool(*line: str) -> subprocess.CompletedProcess[str]:
    argv = (find("promtool", package="prometheus"), *line)
    return subprocess.run(argv, check=False, capture_output=True, text=True)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yml"
    file.write_text(prometheus_rules(CONFIG))
    return file


def test_promtool_accepts_the_rules(rules: Path) -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))

    assert (0, "") == (checked.returncode, checked.stderr)


def test_amtool_accepts_the_route(tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager_config(CONFIG))
    argv = (find("amtool", package="prometheus-alertmanager"), "check-config", str(file))
    checked = subprocess.run(argv, check=False, capture_output=True, text=True)

    assert 0 == checked.returncode, checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"service": "restic-verify", "severity": "alarm"}, "restic-verify"),
        ({"service": "other", "severity": "alarm"}, "nobody"),
    ],
)
def test_route_takes_our_alerts_alone(
    tmp_path: Path, labels: Mapping[str, str], receiver: str
) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager_config(CONFIG))
    matched = [f"{name}={value}" for name, value in labels.items()]
    argv = (find("amtool", package="prometheus-alertmanager"), "config", "routes", "test")
    told = subprocess.run(
        [*argv, f"--config.file={file}", *matched], check=True, capture_output=True, text=True
    )

    assert receiver == told.stdout.strip()


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    groups = yaml.safe_load(prometheus_rules(CONFIG))["groups"]
    found = [rule for group in groups for rule in group["rules"]]

    assert {"warning", "alarm"} == {rule["labels"]["severity"] for rule in found}
    for rule in found:
        assert "hat to do: " in rule["annotations"]["description"]
        assert rule["annotations"]["summary"]
        assert "restic-verify" == rule["labels"]["service"]


def test_every_host_of_the_configuration_has_to_be_heard_of() -> None:
    text = prometheus_rules(CONFIG)

    for host in ("web1", "db1"):
        assert f'absent(restic_backup_overdue_timestamp_seconds{{host="{host}"}})' in text


Level = Literal["warning", "alarm"]
LEVELS: tuple[Level, ...] = ("warning", "alarm")
Spans = Mapping[Level, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Life:
    """What happened to a subject from an instant on, told in steps.

    Attributes:
        alerts: level -> name of Prometheus' alert.
        metrics: of each step, series -> the instant that it says, counted from the beginning.
        told: by the built-in rules.
    """

    begun: datetime
    step: timedelta
    subject: str
    alerts: Mapping[Level, str]
    metrics: Sequence[Mapping[str, timedelta]] = ()
    told: Sequence[Transition] = ()

    def spans(self, level: Level) -> list[tuple[int, int]]:
        """Return the steps in which the built-in incident is open on a level: first, and after."""
        found: list[tuple[int, int]] = []
        first = None
        for one in self.told:
            place = (one.at - self.begun) // self.step
            if one.kind == "resolved":
                found += [(first, place)] if first is not None else []
                first = None
            elif first is None and (level == "warning" or one.level == "alarm"):
                first = place
        return found + ([(first, len(self.metrics))] if first is not None else [])


@dataclass(frozen=True)
class Happening:
    """Something that becomes known at an instant; nothing but a look where there is no record."""

    at: datetime
    record: Callable[[History], object] | None = None


def lived(
    life: Life, config: Config, happenings: Iterable[Happening], end: datetime, folder: Path
) -> Life:
    """Look whenever something is known, and expose at every step what the last look left.

    A look at every step would tell the same: tests/laws/test_alert_laws.py has that as a law.
    """
    told: list[Transition] = []
    exposed: dict[datetime, dict[str, timedelta]] = {}
    with open_history(folder / "history.sqlite") as history:
        for now, same in groupby(sorted(happenings, key=lambda it: it.at), lambda it: it.at):
            for happening in same:
                if happening.record:
                    happening.record(history)
            seen = evaluate(
                config,
                history,
                HistorySource(history),
                lambda first, days: fire_times(config.times, config.zone, first, days),
                now,
            )
            history.save_look(seen.look.watches, seen.look.transitions, now)
            told += [one for one in seen.look.transitions if one.subject == life.subject]
            state = read_state(history, seen.watched, seen.look.watches)
            exposed[now] = _instants(exposition(state), life.begun)
        # What happens by itself until the end.
        last = evaluate(
            config,
            history,
            HistorySource(history),
            lambda first, days: fire_times(config.times, config.zone, first, days),
            end,
        )
        told += [
            one
            for one in last.look.transitions
            if one.subject == life.subject and life.subject != VERIFIER
        ]
    known = sorted(exposed)
    steps = (life.begun + place * life.step for place in range((end - life.begun) // life.step + 1))
    metrics = [exposed[known[bisect_right(known, at) - 1]] for at in steps]
    return replace(life, metrics=metrics, told=told)


def _instants(text: str, begun: datetime) -> dict[str, timedelta]:
    """Return the series that say when something is, as Prometheus reads them, from 0 on."""
    families = text_string_to_metric_families(text)
    return {
        sample.name + (f'{{host="{sample.labels["host"]}"}}' if sample.labels else ""): timedelta(
            seconds=sample.value - begun.timestamp()
        )
        for family in families
        for sample in family.samples
        if family.name.endswith("_timestamp_seconds") and sample.labels in ({}, {"host": HOST})
    }


def backups(
    folder: Path, first: date, *ends: tuple[bool, timedelta] | None, damping: str = "1s"
) -> Life:
    """Live through days on which the backup ends well or not, after a while, or is silent."""
    days = max(3, len(ends) - 1)
    dues = [at.astimezone(UTC) for at in fire_times(("04:00",), CONFIG.zone, first, days)]
    alerts: Mapping[Level, str] = {"warning": "ResticBackupLate", "alarm": "ResticBackupStopped"}
    life = Life(dues[0], MINUTE, backup_subject(HOST), alerts)
    happenings = [Happening(dues[0])]
    for due, end in zip(dues, ends, strict=False):
        if end is not None:
            good, takes = end
            made = (backup(HOST, due, takes),) if good else ()
            run = replace(cycle(due, *made, status=int(not good)), duration_s=takes.total_seconds())
            happenings.append(
                Happening(due + takes, lambda history, run=run: history.record_cycle(run))
            )
    config = configured(f"[alerts]\ndamping = '{damping}'\n")
    end_at = dues[0] + (days - 1) * DAY + 2 * HOUR
    return lived(life, config, happenings, end_at, folder)


GOOD, FAILED = (True, 20 * MINUTE), (False, timedelta())
MONDAY = date(2024, 3, 4)
SPRING, AUTUMN = date(2024, 3, 9), date(2024, 11, 2)


def files(life: Life, host: str, spans: Spans) -> dict[str, Any]:
    """Return the unit test of promtool that holds the rules against a life."""
    names = sorted({name for step in life.metrics for name in step})
    series = [
        {"series": name, "values": _values([step.get(name) for step in life.metrics])}
        for name in names
    ]
    seconds = int(life.step.total_seconds())
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{seconds}s",
        "tests": [
            {
                "interval": f"{seconds}s",
                "input_series": series,
                "alert_rule_test": list(_at_the_edges(life, host, spans)),
                "promql_expr_test": list(_over_all(life, spans)),
            }
        ],
    }


def _values(spans: Sequence[timedelta | None]) -> str:
    counted = ((value, len(list(same))) for value, same in groupby(spans))
    return " ".join(
        f"_x{count}" if value is None else f"{value.total_seconds():.0f}+0x{count - 1}"
        for value, count in counted
    )


def _labels(life: Life, level: Level, host: str) -> dict[str, str]:
    labels = {"service": "restic-verify", "severity": level, "subject": life.subject}
    return labels | ({"host": host} if host else {})


def _at_the_edges(life: Life, host: str, spans: Spans) -> Iterator[dict[str, Any]]:
    """Ask a step before each edge, and at it."""
    seconds = int(life.step.total_seconds())
    for level, name in life.alerts.items():
        steps = {}
        for first, after in spans[level]:
            steps |= {first - 1: False, first: True, after - 1: True, after: False}
        for place, fires in steps.items():
            if not 0 <= place < len(life.metrics):
                continue
            expected = [{"exp_labels": _labels(life, level, host)}] if fires else []
            # Both levels of the verifier's gap go by one name, so that is asked below.
            if len(set(life.alerts.values())) == len(life.alerts):
                at = f"{place * seconds}s"
                yield {"eval_time": at, "alertname": name, "exp_alerts": expected}


def _over_all(life: Life, spans: Spans) -> Iterator[dict[str, Any]]:
    """Ask for how many steps each level fires: between the edges that is all there is."""
    seconds = int(life.step.total_seconds())
    whole_s = len(life.metrics) * seconds
    for level, name in life.alerts.items():
        fired = sum(after - first for first, after in spans[level])
        labels = f'alertname="{name}",severity="{level}",alertstate="firing"'
        expression = f"sum(count_over_time(ALERTS{{{labels}}}[{whole_s}s]))"
        samples = [{"labels": "{}", "value": fired}] if fired else []
        yield {
            "expr": expression,
            "eval_time": f"{(len(life.metrics) - 1) * seconds}s",
            "exp_samples": samples,
        }
        for first, after in spans[level]:
            for place, there in ((first - 1, 0), (first, 1), (after - 1, 1), (after, 0)):
                if 0 <= place < len(life.metrics):
                    one = f"count(ALERTS{{{labels}}})"
                    yield {
                        "expr": one,
                        "eval_time": f"{place * seconds}s",
                        "exp_samples": [{"labels": "{}", "value": 1}] * there,
                    }


def agrees(
    life: Life,
    rules: Path,
    host: str = HOST,
    alarmed: Sequence[tuple[int, int]] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Ask promtool whether the rules fire exactly while the built-in incidents are open.

    Args:
        alarmed: when an alarm is expected, in place of the built-in one.
    """
    alarms = life.spans("alarm") if alarmed is None else alarmed
    spans: Spans = {"warning": life.spans("warning"), "alarm": alarms}
    rules.write_text(_stripped(rules.read_text(), set(life.alerts.values())))
    file = rules.with_name("test.yml")
    file.write_text(json.dumps(files(life, host, spans)))
    return promtool("test", "rules", str(file))


def _stripped(text: str, names: set[str]) -> str:
    """Leave the rules of these names, without what promtool would compare besides."""
    tree = yaml.safe_load(text)
    for group in tree["groups"]:
        group["rules"] = [rule for rule in group["rules"] if not names or rule["alert"] in names]
        for rule in group["rules"]:
            rule.pop("annotations", None)
    return yaml.safe_dump(tree)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("first", "ends", "warned", "alarmed"),
    [
        (MONDAY, (GOOD, FAILED, GOOD), 24 * HOUR, 28 * HOUR),
        (MONDAY, (GOOD, (False, 10 * MINUTE), GOOD), 24 * HOUR + 10 * MINUTE, 28 * HOUR),
        (MONDAY, (GOOD, None, GOOD), 25 * HOUR, 28 * HOUR),
        (MONDAY, (GOOD, (True, 6 * HOUR), GOOD), 25 * HOUR, 28 * HOUR),
        (MONDAY, (GOOD, (True, HOUR), GOOD), None, None),
        (SPRING, (GOOD, GOOD, GOOD, GOOD), None, None),
        (SPRING, (GOOD, FAILED, GOOD, GOOD), 24 * HOUR, 28 * HOUR),
        (SPRING, (GOOD, None, GOOD, GOOD), 25 * HOUR, 28 * HOUR),
        (AUTUMN, (GOOD, GOOD, GOOD, GOOD), None, None),
        (AUTUMN, (GOOD, FAILED, GOOD, GOOD), 25 * HOUR, 28 * HOUR),
        (AUTUMN, (GOOD, None, GOOD, GOOD), 26 * HOUR, 28 * HOUR),
        (MONDAY, (FAILED, FAILED, FAILED, GOOD), 24 * HOUR, 28 * HOUR),
        (MONDAY, (GOOD, FAILED, GOOD, FAILED, GOOD), 24 * HOUR, 28 * HOUR),
    ],
    ids=[
        "locked",
        "fails-late",
        "silent",
        "six-hours",
        "one-hour",
        "spring-good",
        "spring-locked",
        "spring-silent",
        "autumn-good",
        "autumn-locked",
        "autumn-silent",
        "never-good",
        "every-second-day",
    ],
)
def test_prometheus_fires_and_resolves_when_the_built_in_rules_do(
    first: date,
    ends: tuple[tuple[bool, timedelta] | None, ...],
    warned: timedelta | None,
    alarmed: timedelta | None,
    rules: Path,
) -> None:
    life = backups(rules.parent, first, *ends)
    found = [next(iter(life.spans(level)), None) for level in LEVELS]

    assert [warned, alarmed] == [None if span is None else span[0] * MINUTE for span in found]
    done = agrees(life, rules)
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.heavy
def test_alarm_that_a_stale_success_follows_is_a_warning_again_in_prometheus(rules: Path) -> None:
    """The built-in incident stays what it has once been, and so is told of no second alarm."""
    life = backups(rules.parent, MONDAY, GOOD, (True, 26 * HOUR), None, None, None)
    ((first, after),) = life.spans("alarm")
    young, old = (24 + 26) * 60, (24 + 28) * 60

    assert (28 * 60, len(life.metrics)) == (first, after)
    assert 0 != agrees(life, rules).returncode
    done = agrees(life, rules, alarmed=[(first, young), (old, after)])
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.heavy
def test_damping_is_the_one_thing_that_prometheus_has_not(rules: Path) -> None:
    folders = [rules.parent / name for name in ("one", "other")]
    days = (GOOD, FAILED, GOOD, FAILED, GOOD, GOOD)
    life = backups(folders[0], MONDAY, *days)
    damped = backups(folders[1], MONDAY, *days, damping="3d")

    assert (2, 2) == (len(life.spans("warning")), len(damped.spans("warning")))
    assert 0 == agrees(life, rules).returncode
    assert 0 != agrees(damped, rules).returncode


@pytest.mark.parametrize("by", [-MINUTE, MINUTE])
def test_disagreement_of_a_minute_is_seen(rules: Path, by: timedelta) -> None:
    life = backups(rules.parent, MONDAY, GOOD, FAILED, GOOD)
    moved = [replace(one, at=one.at + by) if one.kind == "opened" else one for one in life.told]

    assert 0 != agrees(replace(life, told=moved), rules).returncode


def verified(folder: Path, *ends: tuple[int, bool] | None) -> Life:
    """Live through months; of each the day and how its drill ended, or none."""
    begun = datetime(2024, 1, 1, 20, tzinfo=UTC)
    alerts: Mapping[Level, str] = {"warning": "ResticUnverified", "alarm": "ResticLongUnverified"}
    life = Life(begun, HOUR, verification_subject(HOST), alerts)
    happenings = [Happening(begun)]
    for month, end in enumerate(ends, start=1):
        if end is not None:
            at = datetime(2024, month, 1, 20, tzinfo=UTC) + end[0] * DAY
            report = drilled(corrupted=int(not end[1]))
            report |= {"started": at.isoformat(), "finished": at.isoformat()}
            happenings.append(
                Happening(at, lambda history, report=report: history.record_report(report))
            )
    config = configured("[alerts]\ndamping = '1s'\n")
    return lived(life, config, happenings, begun + 100 * DAY, folder)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (((0, True), (0, True), (0, True), (0, True)), []),
        (((0, True), (0, False), (0, True), (0, True)), [(35 * 24, 60 * 24)]),
        (((0, True), None, (0, True), (0, True)), [(35 * 24 + 1, 60 * 24)]),
    ],
    ids=["good", "bad", "silent"],
)
def test_verification_agrees_too(
    ends: tuple[tuple[int, bool] | None, ...], expected: list[tuple[int, int]], rules: Path
) -> None:
    life = verified(rules.parent, *ends)

    assert expected == life.spans("warning")
    done = agrees(life, rules)
    assert 0 == done.returncode, done.stdout + done.stderr


def watched(folder: Path, config: Config, *looks: int) -> Life:
    """Live through minutes of which some hold a look; each look learns of the gap before it."""
    begun = datetime(2024, 3, 4, tzinfo=UTC)
    alerts: Mapping[Level, str] = {
        "warning": "ResticVerifyUnwatched",
        "alarm": "ResticVerifyUnwatched",
    }
    life = Life(begun, MINUTE, VERIFIER, alerts)
    happenings = [Happening(begun + minute * MINUTE) for minute in looks]
    return lived(life, config, happenings, happenings[-1].at, folder)


@pytest.mark.parametrize(
    ("more", "looks", "warned", "alarmed"),
    [
        ("", (0, 5, 10, 49), [], []),
        ("", (0, 5, 10, 100, 105), [(50, 100)], []),
        ("", (0, 5, 200, 205, 300), [(45, 200), (245, 300)], [(125, 200)]),
        (
            "[jobs]\nalert-every = '6h'\n",
            (0, 360, 720, 1200),
            [(1090, 1200)],
            [(1090, 1200)],
        ),
    ],
    ids=["punctual", "gap", "long-gap", "rare"],
)
def test_dead_mans_switch_agrees_too(
    more: str,
    looks: tuple[int, ...],
    warned: list[tuple[int, int]],
    alarmed: list[tuple[int, int]],
    rules: Path,
) -> None:
    config = configured(f"[alerts]\ndamping = '1s'\n{more}")
    rules.write_text(prometheus_rules(config))
    life = watched(rules.parent, config, *looks)

    assert (warned, alarmed) == (life.spans("warning"), life.spans("alarm"))
    done = agrees(life, rules, host="")
    assert 0 == done.returncode, done.stdout + done.stderr


def test_verdicts_and_what_is_not_heard_of_fire(rules: Path) -> None:
    rules.write_text(_stripped(rules.read_text(), set()))
    ours = {"service": "restic-verify"}
    late = {**ours, "severity": "warning", "subject": "backup db1", "host": "db1"}
    lost = {**ours, "severity": "alarm", "subject": "verifier"}
    critical = {**ours, "severity": "alarm", "subject": "report monthly", "kind": "monthly"}
    unknown = {**ours, "severity": "warning", "subject": "report drill", "kind": "drill"}
    untold = {**ours, "severity": "alarm", "subject": "backups", "level": "alarm"}
    asked = [
        ("ResticVerifyCritical", "10m", [critical]),
        ("ResticVerifyUnknown", "10m", [unknown]),
        ("ResticBackupUnheard", "119m", []),
        ("ResticBackupUnheard", "121m", [late]),
        ("ResticBackupsUntold", "10m", [untold]),
        ("ResticBackupLate", "10m", []),
        ("ResticVerifyUnheard", "39m", []),
        ("ResticVerifyUnheard", "41m", [lost]),
    ]
    series = [
        {"series": 'restic_verify_verdict{kind="monthly"}', "values": "2x200"},
        {"series": 'restic_verify_verdict{kind="drill"}', "values": "3x200"},
        {"series": 'restic_verify_verdict{kind="audit"}', "values": "1x200"},
        {"series": 'restic_verify_incident{subject="backups",level="alarm"}', "values": "1x200"},
        {
            # Nothing is said of it, and it is heard of.
            "series": 'restic_backup_overdue_timestamp_seconds{host="web1"}',
            "values": " ".join(["NaN"] * 200),
        },
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    {
                        "alertname": name,
                        "eval_time": at,
                        "exp_alerts": [{"exp_labels": labels} for labels in expected],
                    }
                    for name, at, expected in asked
                ],
            }
        ],
    }
    file = rules.with_name("test.yml")
    file.write_text(json.dumps(test))
    done = promtool("test", "rules", str(file))

    assert 0 == done.returncode, done.stdout + done.stderr
