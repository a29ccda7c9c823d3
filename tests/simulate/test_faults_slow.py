"""A slow backup makes everything after it late, and nothing before it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.simulate.systems import config, steps_of
from verifier.config.scenario_faults import BackupSlow
from verifier.simulate.faults import machine_of
from verifier.simulate.faults_moments import started_again
from verifier.simulate.faults_slow import delay
from verifier.simulate.timeline import Step

HOUR = timedelta(hours=1)


def slow(host: str, takes: str, on: str = "2024-01-02") -> tuple[BackupSlow, ...]:
    fault = {"host": host, "on": date.fromisoformat(on), "takes": takes}
    return (BackupSlow.model_validate(fault),)


def lateness(steps: tuple[Step, ...], delayed: tuple[Step, ...]) -> list[list[timedelta]]:
    """Return by how much each step's begin, backups and forget are later."""
    return [
        [
            late.at - step.at,
            *(b.taken_at - a.taken_at for a, b in zip(step.due, late.due, strict=True)),
            late.forget_at - step.forget_at,
        ]
        for step, late in zip(steps, delayed, strict=True)
    ]


def test_without_a_slow_backup_nothing_changes() -> None:
    steps = steps_of(config())

    assert steps == delay(steps, ())


@pytest.mark.parametrize(
    ("host", "expected"),
    [("web1", [0, 0, 5, 5]), ("db1", [0, 0, 0, 5])],
)
def test_what_comes_after_a_slow_backup_comes_later(host: str, expected: list[int]) -> None:
    steps = steps_of(config())
    late = lateness(steps, delay(steps, slow(host, "5h")))

    assert [timedelta(0)] * 4 == late[0] == late[2]
    assert [hours * HOUR for hours in expected] == late[1]


def test_next_cycle_waits_for_the_one_before() -> None:
    """It takes 30 hours, and the forget after it begins two minutes after the cycle would have."""
    steps = steps_of(config())
    late = lateness(steps, delay(steps, slow("web1", "30h")))

    assert [6 * HOUR + timedelta(minutes=2)] * 4 == late[2]


def test_slow_backup_over_the_change_of_clocks_takes_as_long() -> None:
    """Summer time begins at 02:00 on 2024-03-10, and the snapshot carries its offset."""
    system = config(at="01:00", start="2024-03-10", days=1)
    steps = steps_of(system)
    (delayed,) = delay(steps, slow("web1", "3h", "2024-03-10"))

    assert "2024-03-10T05:01:00-07:00" == delayed.due[1].taken_at.isoformat()
    assert 3 * HOUR == delayed.due[1].taken_at - steps[0].due[1].taken_at


def test_first_cycle_of_the_day_is_the_slow_one() -> None:
    evening = steps_of(config(days=2, at="16:00"))[1]
    steps = (*steps_of(config(days=2)), evening)
    late = lateness(steps, delay(steps, slow("web1", "1h")))

    assert [0, 0, 1, 1] == [part // HOUR for part in late[1]]
    assert [timedelta(0)] * 4 == late[2]


@pytest.mark.parametrize("while_backup", [True, False])
def test_cycle_started_by_hand_falls_between_the_first_one_s_turns(while_backup: bool) -> None:
    step = steps_of(config())[1]
    again = started_again(step, while_backup=while_backup)
    held_at = step.due[0].taken_at if while_backup else step.forget_at
    turns = [one.taken_at for one in again.due]

    assert [held_at + timedelta(seconds=1), held_at + timedelta(seconds=2)] == turns
    assert turns[-1] < again.forget_at
    assert not while_backup or again.forget_at < step.due[1].taken_at
    assert ["web1", "db1"] == [machine_of(one) for one in again.due]
    assert not {one.id for one in again.due} & {one.id for one in step.due}
    assert again.at.date() == date(2024, 1, 2)
