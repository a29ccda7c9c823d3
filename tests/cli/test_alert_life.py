"""The life of an incident, minute by minute, by the daemon's own loop and the real command.

Goal: what people hear, and when, of a key that stays locked for a day. Method: the daemon's jobs
ring under a frozen clock, `alert` is the whole command, and a JSON endpoint stands for people.
Red: a message that comes a minute early or late, twice, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

import freezegun
import pytest

from tests.cli.test_alert import DAY, HOUR, MINUTE, MONDAY, PATIENT, Place
from tests.monitor.alerting import good_lines, locked_lines
from tests.servers.receiver import Receiver, receiver
from verifier.cli.daemon_work import Stamps
from verifier.cli.main import main
from verifier.clock.system import SystemClock
from verifier.config.load import load
from verifier.cycle.daemon import Daemon, Ended, Message
from verifier.cycle.timetable import Due, timetable
from verifier.monitor.history.memory import open_history

__all__ = ["receiver"]

pytestmark = pytest.mark.filterwarnings("ignore:.imghdr.:DeprecationWarning")

RUN = timedelta(minutes=20)
"""Both hosts, ten minutes each."""


@dataclass
class Work:
    """What the daemon has done: `alert` for real, and backups as their log tells them; a `Work`.

    Attributes:
        locked: days, counted from the first, on which the key is locked.
        ends: when what runs has ended.
    """

    place: Place
    messages: SimpleQueue[Message]
    locked: set[int]
    ends: dict[str, datetime] = field(default_factory=dict)
    looks: list[datetime] = field(default_factory=list)
    heard: dict[datetime, list[str]] = field(default_factory=dict)

    def start(self, job: str, due_at: datetime) -> None:
        """Start a job; backups take their time, a look takes none."""
        now = SystemClock().now()
        if job == "alert":
            self.looks.append(now)
            before = len(self.place.titles)
            main(["alert", "--json", "--config", str(self.place.config)])
            if fresh := self.place.titles[before:]:
                self.heard[now] = fresh
            self.messages.put(Ended(job, 0))
        else:
            is_locked = (due_at - MONDAY) // DAY in self.locked
            self.ends[job] = now + (timedelta() if is_locked else RUN)

    def end_due(self) -> None:
        """End what has had its time, and let its log be collected."""
        now = SystemClock().now()
        for job, end in list(self.ends.items()):
            if end <= now:
                del self.ends[job]
                day = MONDAY + (now - MONDAY) // DAY * DAY
                said = (
                    locked_lines(day) if (now - MONDAY) // DAY in self.locked else good_lines(day)
                )
                self.place.hear(said)
                self.messages.put(Ended(job, 0))

    def held(self, job: str) -> bool:
        """Nobody else runs anything."""
        return False

    def reload(self) -> Mapping[str, Due] | None:
        """There is nothing else to go by."""
        return None

    def tell(self, event: str, facts: Mapping[str, object], *, level: str = "info") -> None:
        """Nobody listens."""


@pytest.mark.heavy
def test_locked_key_is_heard_of_at_its_very_minutes(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, receiver)
    place.write(
        "escalations = true\n[jobs]\nalert-every = '1min'\nskip = ['monthly', 'collect', 'tidy']\n"
        f"{PATIENT}"
    )
    messages: SimpleQueue[Message] = SimpleQueue()
    work = Work(place, messages, locked={1})
    awake = [
        (-2 * MINUTE, 25 * MINUTE),
        (DAY - 3 * MINUTE, DAY + 12 * MINUTE),
        (28 * HOUR - 3 * MINUTE, 28 * HOUR + 13 * MINUTE),
        (2 * DAY - 3 * MINUTE, 2 * DAY + 25 * MINUTE),
    ]
    with (
        freezegun.freeze_time(MONDAY + awake[0][0], auto_tick_seconds=0) as frozen,
        open_history(place.history) as history,
    ):
        daemon = Daemon(SystemClock(), Stamps(history), work, messages)
        daemon.load(timetable(load(place.config, {})))
        for begin, end in awake:
            # In between the machine sleeps: nothing is missed, and nothing is told twice.
            frozen.move_to(MONDAY + begin)
            while SystemClock().now() <= MONDAY + end:
                daemon.turn(wait=False)
                work.end_due()
                while not messages.empty():
                    daemon.turn(wait=False)
                frozen.tick(MINUTE)
    capsys.readouterr()

    assert 90 == len(work.looks)
    assert {
        # The look of a minute comes before what is collected in it.
        DAY + MINUTE: ["WARNING: the last good backup of web1 is 1 day old"],
        DAY + 10 * MINUTE: ["WARNING: the last good backup of db1 is 1 day old"],
        28 * HOUR: ["ALARM: the last good backup of web1 is 1 day 4 h old"],
        28 * HOUR + 10 * MINUTE: ["ALARM: the last good backup of db1 is 1 day 4 h old"],
        2 * DAY + 21 * MINUTE: [
            "RESOLVED: 2 backups are good again, after 1 day: db1, web1",
        ],
    } == {at - MONDAY: titles for at, titles in work.heard.items()}
    first = json.loads(receiver.received[0].body)["message"]
    assert "The password file is not there: is its data set still locked?" in first
