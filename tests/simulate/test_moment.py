"""Who stands before a program acts at the very moment, and leaves nobody stopped.

Real restic on a real repository; every order is one that scenarios give.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.simulate.lab import program
from tests.simulate.systems import PASSWORD, RESTIC
from verifier.core.errors import CannotVerify
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.simulate.moment import GO, HELD
from verifier.simulate.moment_order import Moment, Order, Stage, order_at
from verifier.simulate.moment_post import Guard, Post
from verifier.simulate.worlds.cycle import Template

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Ground:
    """A repository, data, and a folder in which somebody can stand before restic."""

    folder: Path

    @property
    def post(self) -> Post:
        """Return where to stand."""
        front, orders, repository = (
            str(self.folder / name) for name in ("front", "orders", "repository")
        )
        return Post("here", LocalHost(), sys.executable, front, orders, repository, None)

    @property
    def env(self) -> dict[str, str]:
        """Return what restic needs, with somebody before it."""
        return {
            "PATH": f"{self.folder}/front:{self.folder}/bin:{os.defpath}",
            "RESTIC_REPOSITORY": str(self.folder / "repository"),
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(self.folder / "cache"),
        }

    def restic(self, *words: str) -> Completed:
        """Run restic by its name."""
        return LocalHost(env=self.env).run(Command(("restic", *words)), timeout_s=60)

    def back_up(self, times: int = 1) -> None:
        """Make snapshots of other content each, unseen by anybody."""
        for _ in range(times):
            (self.folder / "data").mkdir(exist_ok=True)
            (self.folder / "data" / "file").write_bytes(os.urandom(20_000))
            env = {**self.env, "PATH": f"{self.folder}/bin:{os.defpath}"}
            words = ("restic", "backup", "-q", str(self.folder / "data"))
            assert 0 == LocalHost(env=env).run(Command(words)).status

    def count(self, part: str) -> int:
        """Return how many files a part of the repository has."""
        return len(self.files(part))

    def files(self, part: str) -> set[str]:
        """Return the names of the files in a part of the repository."""
        folder = self.folder / "repository" / part
        return {path.name for path in folder.rglob("*") if path.is_file()}

    def guard(self, *orders: Order) -> Guard:
        """Let somebody stand there."""
        guard = Guard(self.post, orders)
        guard.stand()
        return guard


@pytest.fixture
def ground(tmp_path: Path, template: Template) -> Ground:
    subprocess.run(["cp", "-r", template.folder, tmp_path / "repository"], check=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "restic").symlink_to(RESTIC)
    made = Ground(tmp_path)
    made.back_up()
    return made


def killing(stage: Stage, moment: Moment) -> Order:
    return replace(order_at(stage, moment, host=None, method=None), kill=True)


def holding(stage: Stage) -> Order:
    return replace(order_at(stage, "begun", host=None, method=None), hold=True)


def states(folder: Path) -> list[str]:
    """Return the states of the processes that have the folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "stat").read_text().rpartition(") ")[2][0])
        except OSError:
            continue
    return [state for state in found if state != "Z"]


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, "it does not happen"
        time.sleep(0.01)


# The moment.


@pytest.mark.parametrize(
    ("stage", "words", "expected"),
    [
        ("backup", ("backup", "-q", "data"), {"locks": 1, "data": 0, "snapshots": 0}),
        ("forget", ("forget", "--keep-last=1"), {"locks": 1, "data": 0, "snapshots": 0}),
        ("prune", ("prune", "-q"), {"locks": 1, "data": 0, "index": 0, "snapshots": 0}),
    ],
)
def test_killed_when_it_has_begun_it_has_written_nothing(
    ground: Ground, stage: Stage, words: tuple[str, ...], expected: dict[str, int]
) -> None:
    ground.back_up(3)
    before = {part: ground.count(part) for part in expected}
    guard = ground.guard(killing(stage, "begun"))
    done = LocalHost(env=ground.env).run(Command(("restic", *words), cwd=str(ground.folder)))
    guard.leave()
    guard.check()

    assert -signal.SIGKILL == done.status
    assert expected == {part: ground.count(part) - before[part] for part in expected}


def test_backup_killed_while_writing_leaves_packs_and_no_snapshot(ground: Ground) -> None:
    packs = ground.count("data")
    before = [ground.files(part) for part in ("index", "snapshots")]
    (ground.folder / "data" / "file").write_bytes(os.urandom(20_000))
    guard = ground.guard(killing("backup", "writing"))
    done = ground.restic("backup", "-q", str(ground.folder / "data"))
    guard.leave()
    guard.check()

    assert -signal.SIGKILL == done.status
    assert ground.count("data") > packs
    assert before == [ground.files(part) for part in ("index", "snapshots")]


def test_forget_killed_while_writing_has_removed_some_and_not_all(ground: Ground) -> None:
    ground.back_up(5)
    guard = ground.guard(killing("forget", "writing"))
    ground.restic("forget", "-q", "--keep-last=1")
    guard.leave()
    guard.check()

    assert 1 < ground.count("snapshots") < 6


def test_prune_killed_while_writing_loses_nothing(ground: Ground) -> None:
    ground.back_up(5)
    ground.restic("forget", "-q", "--keep-last=1")
    packs, indexes = ground.files("data"), ground.files("index")
    guard = ground.guard(killing("prune", "writing"))
    ground.restic("prune", "-q")
    guard.leave()
    guard.check()
    left = ground.files("data")
    gone = (packs - left) | (indexes - ground.files("index"))
    ground.restic("unlock", "-q")

    assert gone
    assert 0 == ground.restic("check", "-q", "--read-data").status
    assert 0 == ground.restic("prune", "-q").status
    assert left - ground.files("data")


# What it leaves alone.


def test_call_that_is_not_meant_runs_as_it_is(ground: Ground) -> None:
    guard = ground.guard(killing("prune", "begun"))
    done = ground.restic("forget", "--no-such-option")
    guard.leave()

    assert 1 == done.status
    assert b"unknown flag" in done.stderr
    with pytest.raises(CannotVerify, match="did not run"):
        guard.check()


def test_order_is_carried_out_once(ground: Ground) -> None:
    guard = ground.guard(killing("forget", "begun"))
    ended = [ground.restic("forget", "-q", "--keep-last=9").status]
    ground.restic("unlock", "-q")
    ended.append(ground.restic("forget", "-q", "--keep-last=9").status)
    guard.leave()
    guard.check()

    assert [-signal.SIGKILL, 0] == ended


def test_moment_that_never_comes_is_said(ground: Ground) -> None:
    """Nothing is to be removed, so that nothing is removed half-way either."""
    guard = ground.guard(killing("forget", "writing"))
    done = ground.restic("forget", "-q", "--keep-last=9")
    guard.leave()

    assert 0 == done.status
    with pytest.raises(CannotVerify, match="ended before the moment"):
        guard.check()


def test_moment_that_is_over_is_said(ground: Ground) -> None:
    """Method: a program that does the awaited and the last in one: it renames a file."""
    repository = ground.folder / "repository"
    (repository / "data" / "x").touch()
    (ground.folder / "bin" / "restic").unlink()
    program(ground.folder / "bin", "restic", f"mv {repository}/data/x {repository}/snapshots/y")
    last = Order("restic", ("backup",), (("-data/",),), ("+snapshots/",), kill=True)
    guard = ground.guard(last)
    ground.restic("backup")
    guard.leave()

    with pytest.raises(CannotVerify, match=r"went on too fast: .*snapshots/y"):
        guard.check()


def test_nobody_is_left_before_a_program(ground: Ground) -> None:
    guard = ground.guard(holding("forget"))
    guard.leave()

    assert [] == list((ground.folder / "front").iterdir())
    assert not (ground.folder / "orders").exists()


# What is held.


@pytest.fixture
def held(ground: Ground) -> Iterator[subprocess.Popen[bytes]]:
    """Run restic in a program of its own, as a world does, and hold it."""
    ground.guard(holding("forget"))
    code = (
        "import os; from verifier.core.host import Command; from verifier.fleet.local import "
        "LocalHost; host = LocalHost(env=dict(os.environ));"
        "print(host.run(Command(('restic', 'forget', '-q', '--keep-last=9'))).status)"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, cwd=ROOT, env=ground.env, stdout=subprocess.PIPE) as process:
        until((ground.folder / "orders" / f"0.{HELD}").exists)
        yield process
        process.kill()


def test_what_is_held_stands_still_and_goes_on(
    ground: Ground, held: subprocess.Popen[bytes]
) -> None:
    stopped = states(ground.folder).count("T"), ground.count("locks")
    (ground.folder / "orders" / f"0.{GO}").touch()
    said, _ = held.communicate()

    assert (1, 1) == stopped
    assert b"0\n" == said
    assert (0, []) == (ground.count("locks"), states(ground.folder))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nobody_stays_stopped_where_we_are_killed(
    ground: Ground, held: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    """Goal: whatever ends the verifier, restic is not left stopped, but ends."""
    assert "T" in states(ground.folder)
    held.send_signal(number)
    until(lambda: not states(ground.folder))


def test_what_is_held_dies_with_who_holds_it(ground: Ground, held: subprocess.Popen[bytes]) -> None:
    holder = [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if b"moment.py" in _line(process) and str(ground.folder).encode() in _line(process)
    ]
    for pid in holder:
        os.kill(pid, signal.SIGKILL)
    said, _ = held.communicate()

    assert 1 == len(holder)
    assert b"-9\n" == said
    assert [] == states(ground.folder)


def _line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
