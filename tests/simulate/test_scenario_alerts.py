"""What monitoring would have said over a timeline, how much would have been lost, and what of both
is held against a scenario file."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from verifier.config.scenario import Expect, parse_scenario
from verifier.core.snapshot import Snapshot
from verifier.simulate.normal import differences
from verifier.simulate.scenario_expect import Seen, match
from verifier.simulate.scenario_recovery import recovery_of
from verifier.simulate.scenario_run import run_in_model
from verifier.simulate.store import parse_seen, render_seen
from verifier.simulate.timeline import Record, Step

HOUR = timedelta(hours=1)

SCENARIO = """\
schema = 1
[scenario]
about = "Some days go wrong."
fidelity = ["model"]
[schedule]
times = ["04:00"]
timezone = "Etc/GMT+8"
[[hosts]]
name = "web1"
include = ["/srv"]
[[hosts]]
name = "db1"
include = ["/srv"]
[simulate]
start = 2024-01-01
days = 6
{deviations}
[expect]
verdict = "OK"
alerts = []
"""
DOWN = """
[[simulate.down]]
host = "db1"
from = 2024-01-03
to = 2024-01-04
"""


def shown(deviations: str = "") -> Seen:
    return run_in_model(parse_scenario(SCENARIO.format(deviations=deviations), "x.toml"))


def hours(seen: Seen, host: str) -> list[int | None]:
    return [one.hours for one in seen.recovery if one.host == host]


def test_where_all_goes_well_no_alert_is_raised() -> None:
    assert () == shown().alerts


def test_host_that_is_down_raises_one_alert_for_itself() -> None:
    (alert,) = shown(DOWN).alerts

    assert ("db1", "alarm", 24 * HOUR) == (alert.host, alert.level, alert.opened_age)
    assert datetime(2024, 1, 3, 12, 1, tzinfo=UTC) == alert.opened_at
    assert datetime(2024, 1, 5, 12, 2, tzinfo=UTC) == alert.resolved_at


def test_coordinator_that_is_not_heard_of_is_given_an_hour_more() -> None:
    found = shown('missed = ["2024-01-03"]').alerts

    assert [("web1", 25 * HOUR), ("db1", 25 * HOUR)] == [(a.host, a.opened_age) for a in found]


def test_ages_are_those_of_the_alert_rules() -> None:
    ages = "[alerts.backup]\nwarn-age = '30h'\nalarm-age = '60h'\n"
    (alert,) = shown(DOWN + ages).alerts

    assert ("db1", "alarm", 30 * HOUR, 60 * HOUR) == (
        alert.host,
        alert.level,
        alert.opened_age,
        alert.escalated_age,
    )


def test_host_that_never_has_a_backup_raises_an_alert_and_has_no_recovery_point() -> None:
    seen = shown(DOWN.replace("2024-01-03", "2023-01-01").replace("2024-01-04", "2025-01-01"))

    assert [("db1", None)] == [(a.host, a.resolved_at) for a in seen.alerts]
    assert [] == hours(seen, "db1")


def test_wrong_clock_of_a_host_raises_no_alert_and_hides_none() -> None:
    wrong = """
[[faults.clock-wrong]]
host = "db1"
from = 2024-01-01
to = 2024-01-31
by = "{by}"
"""
    for by in ("-9d", "+9d"):
        assert () == shown(wrong.format(by=by)).alerts
        assert shown(DOWN).alerts == shown(DOWN + wrong.format(by=by)).alerts


def slow(takes: str) -> Seen:
    fault = f'[[faults.backup-slow]]\nhost = "web1"\non = 2024-01-03\ntakes = "{takes}"\n'
    text = SCENARIO.replace('["model"]', '["cycle"]').format(deviations=fault)
    return run_in_model(parse_scenario(text, "x.toml"))


def test_slow_backup_is_known_when_it_is_done_and_the_next_begins_then() -> None:
    seen = slow("5h")

    assert [("web1", 25 * HOUR), ("db1", 25 * HOUR)] == [
        (a.host, a.opened_age) for a in seen.alerts
    ]
    assert [(17, 0), (17, 2)] == [
        (alert.resolved_at.hour, alert.resolved_at.minute)
        for alert in seen.alerts
        if alert.resolved_at
    ]
    assert [20, 24, 29, 24, 24, 24] == hours(seen, "web1")
    assert () == slow("50min").alerts


def test_snapshot_that_somebody_adds_is_no_backup() -> None:
    added = """
[[faults.snapshots-added]]
host = "db1"
on = 2024-01-03
first = 2024-01-03T12:00:00Z
"""
    seen = shown(DOWN + added)

    assert shown(DOWN).alerts == seen.alerts
    assert hours(shown(DOWN), "db1") == hours(seen, "db1")


def test_recovery_point_is_the_age_before_the_next_backup_is_done() -> None:
    assert [20, 24, 24, 24, 24, 24] == hours(shown(DOWN), "web1")
    assert [19, 24, 43, 67, 72, 24] == hours(shown(DOWN), "db1")


def test_recovery_point_of_a_host_that_stops_grows_to_the_end() -> None:
    stopped = shown(DOWN.replace("2024-01-04", "2024-01-31"))

    assert [19, 24, 43, 67, 91, 115] == hours(stopped, "db1")


def test_day_that_begins_with_nothing_had_nothing_for_once() -> None:
    begun_at = datetime(2024, 1, 1, 4, tzinfo=UTC)
    days = [begun_at + n * 24 * HOUR for n in range(3)]
    made = [Snapshot(f"web1@{at.isoformat()}", at, "web1", ("/srv",)) for at in days]
    gone: list[tuple[tuple[Snapshot, tuple[str, ...]], ...]] = [((made[0], ()),), (), ()]
    records = [
        Record(Step(at, (one,), ()), (one,), lost, 1, (), None, None)
        for at, one, lost in zip(days, made, gone, strict=True)
    ]
    found = recovery_of(records, ["web1"], UTC, begun_at + 68 * HOUR)

    assert [None, None, 24] == [one.hours for one in found]


def test_host_of_which_nothing_is_left_recovers_nothing() -> None:
    attack = """
[retention]
keep-last = 3
[[faults.snapshots-added]]
host = "web1"
on = 2024-01-04
first = 2090-01-01T00:00:00Z
count = 3
"""
    assert [20, 24, 24, None, None, None] == hours(shown(attack), "web1")


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        ([{"host": "db1", "level": "alarm"}], []),
        ([], ["unexpected"]),
        ([{"host": "db1", "level": "warning"}], ["unmet"]),
        ([{"host": "web1", "level": "alarm"}], ["unmet", "unexpected"]),
        ([{"host": "db1", "level": "alarm"}] * 2, ["unmet"]),
        ([{"host": "db1", "level": "alarm", "opened-age": "25h"}], ["unmet"]),
        ([{"host": "db1", "level": "alarm", "open": True}], ["unmet"]),
        (None, []),
    ],
)
def test_alert_is_held_against_what_is_expected(
    alerts: list[dict[str, Any]] | None, expected: list[str]
) -> None:
    wanted = Expect.model_validate({"verdict": "WARNING", "alerts": alerts})
    found = [one for one in match("x", shown(DOWN), wanted) if "gap" not in one.detail]

    assert expected == [one.kind for one in found]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"host": "db1", "hours": 72}, []),
        ({"host": "db1", "hours": 71}, ["unmet"]),
        ({"host": "db1", "hours": "nothing"}, ["unmet"]),
        ({"host": "db1", "hours": 43, "on": date(2024, 1, 3)}, []),
        ({"host": "db1", "hours": 72, "on": date(2024, 1, 3)}, ["unmet"]),
        ({"host": "db1", "hours": 24, "on": date(2023, 1, 3)}, ["unmet"]),
        ({"host": "web1", "hours": 24}, []),
    ],
)
def test_recovery_point_is_held_against_what_is_expected(
    point: dict[str, Any], expected: list[str]
) -> None:
    wanted = Expect.model_validate({"verdict": "WARNING", "recovery": [point]})
    found = [one for one in match("x", shown(DOWN), wanted) if "gap" not in one.detail]

    assert expected == [one.kind for one in found]


def test_alerts_and_recovery_points_go_through_the_store_unchanged() -> None:
    seen = shown(DOWN)
    again = parse_seen(json.loads(json.dumps(render_seen(seen))))

    assert (seen.alerts, seen.recovery) == (again.alerts, again.recovery)


def test_runs_that_raise_other_alerts_are_told_apart() -> None:
    seen = shown(DOWN)
    calm = Seen(seen.findings, seen.survivors, (), seen.recovery)
    safe = Seen(seen.findings, seen.survivors, seen.alerts, seen.recovery[1:])

    assert () == differences("x", seen, shown(DOWN))
    assert ["disagreement"] == [one.kind for one in differences("x", seen, calm)]
    assert ["disagreement"] == [one.kind for one in differences("x", seen, safe)]
