"""The daemon's loop through virtual time: what it starts, when, how often, and what it makes up."""

from __future__ import annotations

import time as machine
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from queue import SimpleQueue
from zoneinfo import ZoneInfo

import freezegun
import pytest

from verifier.clock.system import SystemClock
from verifier.cycle.daemon import Claim, Daemon, Ended, Message, Reload, Stop
from verifier.cycle.timetable import Civil, Due, Every

PACIFIC = ZoneInfo("America/Los_Angeles")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BACKUPS = Civil((time(4),), PACIFIC)


@dataclass
class Memory:
    """What daemons share, in a dictionary; a `Memory`."""

    claims: dict[str, Claim] = field(default_factory=dict)

    def claim(self, job: str) -> Claim | None:
        """Return the newest claim of a job."""
        return self.claims.get(job)

    def put(self, job: str, claim: Claim, *, before: Claim | None) -> bool:
        """Put a claim in the place of the one before; not where that is another one by now."""
        if self.claims.get(job) != before:
            return False
        self.claims[job] = claim
        return True

    def close(self, job: str, due_at: datetime) -> None:
        """Remember that the run which was due then has ended, if it is still the newest."""
        newest = self.claims.get(job)
        if newest is not None and newest.due_at == due_at:
            self.claims[job] = Claim(due_at, ended=True, tries=newest.tries)


@dataclass
class Work:
    """Runs that take so long and end so; a `Work`.

    Attributes:
        ends: running job -> when it ends.
        elsewhere: jobs that another process runs.
    """

    messages: SimpleQueue[Message]
    takes: Callable[[str], timedelta] = lambda _: timedelta(minutes=10)
    status: int = 0
    ends: dict[str, datetime] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    timetable: Mapping[str, Due] | None = None
    started: list[tuple[str, datetime]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    now: Callable[[], datetime] = SystemClock().now

    def start(self, job: str, due_at: datetime) -> None:
        """Start a job."""
        self.started.append((job, self.now().replace(microsecond=0)))
        if job in self.elsewhere:
            self.messages.put(Ended(job, None, held=True))
        else:
            assert job not in self.ends, f"{job} runs twice at once"
            self.ends[job] = self.now() + self.takes(job)

    def held(self, job: str) -> bool:
        """Say whether some process runs the job."""
        return job in self.elsewhere or job in self.ends

    def reload(self) -> Mapping[str, Due] | None:
        """Return the new timetable."""
        return self.timetable

    def tell(self, event: str, facts: Mapping[str, object], *, level: str = "info") -> None:
        """Keep an event."""
        self.told.append((event, str(facts.get("job", ""))))

    def end_due(self) -> None:
        """End what has had its time."""
        for job in [job for job, at in self.ends.items() if at <= self.now()]:
            del self.ends[job]
            self.messages.put(Ended(job, self.status))


class World:
    """A daemon, or several after each other, in a time that is moved by hand."""

    def __init__(self, frozen: freezegun.api.FrozenDateTimeFactory, **options: object) -> None:
        self.frozen = frozen
        self.messages: SimpleQueue[Message] = SimpleQueue()
        self.work = Work(self.messages, **options)  # type: ignore[arg-type]
        self.memory = Memory()
        self.daemon = self.begin()

    def begin(self) -> Daemon:
        """Begin a daemon, as after a start of the machine."""
        self.daemon = Daemon(SystemClock(), self.memory, self.work, self.messages)
        return self.daemon

    def live(self, span: timedelta) -> None:
        """Let time go by, from one thing that happens to the next."""
        until = self.work.now() + span
        while True:
            self.work.end_due()
            while not self.messages.empty():
                assert self.daemon.turn(wait=False) is None
            self.daemon.turn(wait=False)
            now = self.work.now()
            ahead = [now + max(self.daemon.idle(), timedelta(seconds=1)), *self.work.ends.values()]
            if min(ahead) > until:
                break
            self.frozen.move_to(min(ahead).replace(tzinfo=None))
        self.frozen.move_to(until.replace(tzinfo=None))

    def started(self, job: str) -> list[datetime]:
        """Return when a job was started."""
        return [at for name, at in self.work.started if name == job]


@contextmanager
def world(start: datetime = START, **options: object) -> Iterator[World]:
    """Give a world that begins at an instant."""
    with freezegun.freeze_time(start.replace(tzinfo=None)) as frozen:
        yield World(frozen, **options)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in UTC, as the daemon's process does."""
    monkeypatch.setenv("TZ", "UTC")
    machine.tzset()
    yield
    monkeypatch.undo()
    machine.tzset()


def test_a_year_of_backups_is_that_of_the_timer() -> None:
    """With both days on which the clocks change, and the drill and old history beside it."""
    due = {
        "backups": BACKUPS,
        "monthly": Civil((time(12),), PACIFIC, 1, timedelta(hours=1), "jak"),
        "tidy": Civil((time(5, 30),), PACIFIC),
    }
    with world() as it:
        it.daemon.load(due)
        it.live(366 * DAY)
        found, monthly = it.started("backups"), it.started("monthly")

    civil = [at.astimezone(PACIFIC) for at in found]
    assert 366 == len(found)
    assert {(4, 0)} == {(at.hour, at.minute) for at in civil}
    assert 366 == len({at.date() for at in civil})
    assert {timedelta(hours=23), DAY, timedelta(hours=25)} == {
        later - sooner for sooner, later in pairwise(found)
    }
    assert [*range(1, 13)] == [at.astimezone(PACIFIC).month for at in monthly]


def test_an_hour_that_is_skipped_starts_nothing_and_one_that_comes_twice_one_run() -> None:
    for day, at, runs in ((10, time(2, 30), 0), (9, time(2, 30), 1)):
        with world(datetime(2024, 3, day, 8, tzinfo=UTC)) as it:
            it.daemon.load({"backups": Civil((at,), PACIFIC)})
            it.live(timedelta(hours=12))
            assert runs == len(it.started("backups"))
    with world(datetime(2024, 11, 3, 7, tzinfo=UTC)) as it:
        it.daemon.load({"backups": Civil((time(1, 30),), PACIFIC)})
        it.live(timedelta(hours=12))

        assert [datetime(2024, 11, 3, 8, 30, tzinfo=UTC)] == it.started("backups")


def test_the_rules_are_looked_at_every_five_minutes_of_the_day_the_clocks_change() -> None:
    with world(datetime(2024, 11, 3, tzinfo=UTC), takes=lambda _: timedelta(seconds=2)) as it:
        it.daemon.load({"alert": Every(timedelta(minutes=5))})
        it.live(DAY)
        found = it.started("alert")

    assert 289 == len(found)
    assert {timedelta(minutes=5)} == {b - a for a, b in pairwise(found)}


def test_the_first_start_ever_makes_up_for_nothing() -> None:
    with world(datetime(2024, 1, 1, 15, tzinfo=UTC)) as it:
        it.daemon.load({"backups": BACKUPS, "alert": Every(timedelta(minutes=5))})

        assert ([], 1) == (it.started("backups"), len(it.started("alert")))


@pytest.mark.parametrize("away", [timedelta(hours=20), 40 * DAY])
def test_what_was_missed_is_made_up_for_once(away: timedelta) -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(DAY)
        it.frozen.tick(away)
        it.begin().load({"backups": BACKUPS})
        it.live(timedelta(hours=1))
        back = it.work.now() - timedelta(hours=1)

        assert [datetime(2024, 1, 1, 12, tzinfo=UTC), back] == it.started("backups")
        it.begin().load({"backups": BACKUPS})
        it.live(timedelta(minutes=30))
        assert 2 == len(it.started("backups"))


def cut_off(it: World) -> None:
    """End the daemon and what it runs, in the middle of that."""
    it.work.ends.clear()
    it.begin().load({"backups": BACKUPS})


def test_a_run_that_was_cut_off_is_made_up_for_once_and_then_given_up() -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(timedelta(hours=12, minutes=1))
        cut_off(it)
        it.live(timedelta(minutes=1))
        assert 2 == len(it.started("backups"))
        cut_off(it)
        it.live(timedelta(hours=1))

        assert 2 == len(it.started("backups"))
        assert ("given-up", "backups") in it.work.told
        it.live(DAY)
        assert 3 == len(it.started("backups"))


def test_what_still_ends_is_waited_for() -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(timedelta(hours=12, minutes=1))
        it.work.elsewhere.add("backups")
        cut_off(it)
        it.live(timedelta(minutes=5))
        assert 1 == len(it.started("backups"))
        it.work.elsewhere.clear()
        it.live(timedelta(minutes=1))

        assert 2 == len(it.started("backups"))


def test_what_another_daemon_runs_is_not_made_up_for_when_it_ends() -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(timedelta(hours=12, minutes=1))
        (due_at,) = (claim.due_at for claim in it.memory.claims.values())
        it.work.ends.clear()
        it.work.elsewhere.add("backups")
        it.begin().load({"backups": BACKUPS})
        it.live(timedelta(minutes=5))
        it.work.elsewhere.clear()
        # It has ended, and who ran it says so a moment later.
        it.live(timedelta(seconds=2))
        it.memory.close("backups", due_at)
        it.live(timedelta(hours=1))

        assert 1 == len(it.started("backups"))


class Overtaken(Memory):
    """Another daemon claims a run between our look and our claim."""

    def claim(self, job: str) -> Claim | None:
        """Return the claim of before, and let the other one be quicker."""
        before = super().claim(job)
        if before is not None and before.ended:
            self.claims[job] = Claim(SystemClock().now(), ended=False)
        return before


def test_who_is_overtaken_starts_nothing() -> None:
    with world() as it:
        it.memory = Overtaken({"backups": Claim(START - 2 * DAY, ended=True)})
        it.begin().load({"backups": BACKUPS})

        assert ([], [("passed-over", "backups")]) == (it.started("backups"), it.work.told)


def test_two_daemons_start_each_run_once() -> None:
    with world() as it:
        other = Daemon(SystemClock(), it.memory, it.work, it.messages)
        it.daemon.load({"backups": BACKUPS})
        other.load({"backups": BACKUPS})
        for _ in range(5):
            it.live(DAY - timedelta(seconds=30))
            other.turn(wait=False)
            it.live(timedelta(seconds=30))

        assert 5 == len(it.started("backups"))


def test_a_run_that_outlasts_the_next_one_is_not_overtaken() -> None:
    with world(takes=lambda _: timedelta(hours=30)) as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(4 * DAY)

        assert [1, 3] == [at.day for at in it.started("backups")]
        assert 2 == it.work.told.count(("passed-over", "backups"))


def test_what_another_process_runs_is_passed_over() -> None:
    with world() as it:
        it.work.elsewhere.add("backups")
        it.daemon.load({"backups": BACKUPS})
        it.live(DAY)

        assert ("passed-over", "backups") in it.work.told
        it.work.elsewhere.clear()
        it.live(DAY)
        assert ("ended", "backups") in it.work.told


@pytest.mark.parametrize("step", [timedelta(hours=-30), timedelta(hours=30)])
def test_a_clock_that_is_set_starts_nothing_twice(step: timedelta) -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(2 * DAY)
        before = len(it.started("backups"))
        it.frozen.tick(step)
        it.live(timedelta(hours=1))

        assert before + (step > timedelta(0)) == len(it.started("backups"))


def test_a_new_timetable_is_gone_by_and_a_broken_one_is_not() -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.work.timetable = {"backups": Civil((time(6),), PACIFIC)}
        it.messages.put(Reload())
        it.live(DAY)
        it.work.timetable = None
        it.messages.put(Reload())
        it.live(DAY)

        assert [6, 6] == [at.astimezone(PACIFIC).hour for at in it.started("backups")]


def test_after_the_word_to_stop_nothing_is_started() -> None:
    with world() as it:
        it.daemon.load({"backups": BACKUPS})
        it.live(timedelta(hours=12, minutes=1))
        it.messages.put(Stop("SIGTERM"))
        assert Stop("SIGTERM") == it.daemon.turn(wait=False)
        it.messages.put(Ended("backups", None, detail="was stopped"))
        it.daemon.settle()

        assert ("stopped", "backups") == it.work.told[-1]
        claim = it.memory.claim("backups")
        assert claim is not None
        assert not claim.ended
