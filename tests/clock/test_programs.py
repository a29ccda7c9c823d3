"""The programs of a backup live in the page's time: restic of three releases, rclone, sshd.

What would turn these red: a Go release that finds the clock in another way, an sshd whose sandbox
does not let our code be. Each is held against what the page said, never against the real time.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clock.lab import AT, YEAR, run, start
from tests.servers.sshd import Sshd
from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.core.errors import ClockNotControlled
from verifier.core.policy import Policy, parse_duration
from verifier.core.snapshot import parse_instant, parse_snapshot
from verifier.fleet.local import LocalHost
from verifier.retention.decide import Forget, group_key, newest_first
from verifier.retention.rules import rules_for
from verifier.simulate.forge import make_repository

pytestmark = pytest.mark.heavy

DAY = timedelta(days=1)
RELEASES = ("0.14.0", "0.18.0", "0.19.1")


class Restic:
    """A restic of one release, a repository with a low-cost key, and a file to back up."""

    def __init__(
        self, program: Path, release: str, page: ClockPage, template: Path, folder: Path
    ) -> None:
        shutil.copytree(template, folder / "repository")
        self.release = release
        self._page = page
        self._program = str(program)
        self.env = {
            "RESTIC_REPOSITORY": str(folder / "repository"),
            "RESTIC_PASSWORD": "simulated",
            "RESTIC_CACHE_DIR": str(folder / "cache"),
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
        }
        self.file = folder / "file"
        self.file.write_text("content")

    def argv(self, *words: str) -> tuple[str, ...]:
        return (self._program, *words)

    def __call__(self, *words: str) -> str:
        """Run it under the page."""
        done = run(self._page, *self.argv(*words), env=self.env)
        assert 0 == done.returncode, done.stderr
        return done.stdout

    def backup(self, at: datetime) -> None:
        self._page.set(at)
        self("backup", "-q", str(self.file))

    def snapshots(self) -> list[dict[str, Any]]:
        """Ask for the snapshots, outside of the page's time."""
        listed = subprocess.run(
            self.argv("snapshots", "--json"), env=self.env, check=True, capture_output=True
        )
        found = json.loads(listed.stdout)
        assert isinstance(found, list)
        return found

    def lock(self, running: subprocess.Popen[str]) -> str:
        """Wait until a restic that runs has its lock; return the lock's ID."""
        locks = Path(self.env["RESTIC_REPOSITORY"]) / "locks"
        while not (names := [p.name for p in locks.iterdir() if "tmp" not in p.name]):
            assert running.poll() is None
            os.sched_yield()
        return names[0]

    def days(self) -> list[int]:
        """Return how many days after AT each snapshot was made."""
        return [(parse_instant(s["time"]) - AT) // DAY for s in self.snapshots()]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, restic_release: Any) -> Path:
    """Make a repository that every release understands."""
    folder = tmp_path_factory.mktemp("template") / "repository"
    make_repository(folder, "simulated", LocalHost(), str(restic_release(RELEASES[0])))
    return folder


@pytest.fixture(params=RELEASES)
def restic(
    request: pytest.FixtureRequest,
    restic_release: Any,
    page: ClockPage,
    template: Path,
    tmp_path: Path,
) -> Restic:
    return Restic(restic_release(request.param), request.param, page, template, tmp_path)


def test_a_backup_is_made_at_the_page_s_time(restic: Restic) -> None:
    restic.backup(AT)
    (snapshot,) = restic.snapshots()

    assert AT <= parse_instant(snapshot["time"]) < AT + timedelta(minutes=5)


def test_a_held_clock_dates_a_backup_to_the_nanosecond(restic: Restic, page: ClockPage) -> None:
    page.set(AT, timedelta(minutes=10))
    restic("backup", "-q", str(restic.file))

    assert ["2031-01-01T04:00:00Z"] == [s["time"] for s in restic.snapshots()]


def test_a_lock_is_taken_at_the_page_s_time(restic: Restic, page: ClockPage) -> None:
    """restic waits for its standard input, and its lock is read meanwhile.

    The clock does not jump while it runs, in small steps neither, and does again afterwards.
    """
    command = restic.argv("backup", "-q", "--stdin")
    with start(page, command, env=restic.env, stdin=subprocess.PIPE) as running:
        read = subprocess.run(
            restic.argv("cat", "lock", restic.lock(running), "--no-lock"),
            env=restic.env,
            check=True,
            capture_output=True,
        )
        with pytest.raises(ClockNotControlled, match="a restic runs"):
            page.advance(timedelta(minutes=30))
        page.advance(timedelta(minutes=20))
        with pytest.raises(ClockNotControlled, match="a restic runs"):
            page.advance(timedelta(minutes=20))
        assert running.stdin is not None
        running.stdin.write("content")
        running.stdin.close()

    assert AT <= parse_instant(json.loads(read.stdout)["time"]) < AT + timedelta(minutes=5)
    assert 0 == running.returncode
    page.advance(DAY)


def test_a_lock_turns_stale_by_the_page_s_time(restic: Restic, page: ClockPage) -> None:
    """What a killed restic leaves is removed by `unlock` half an hour later, and not before.

    It names this machine and a process that is gone, so another host name is forged by a namespace.
    """
    command = restic.argv("backup", "-q", "--stdin")
    locks = Path(restic.env["RESTIC_REPOSITORY"]) / "locks"
    other_host = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere; exec "$@"', "")
    if subprocess.run((*other_host, "true"), check=False, capture_output=True).returncode != 0:
        pytest.skip("a host of another name needs root")
    with start(page, (*other_host, *command), env=restic.env, stdin=subprocess.PIPE) as running:
        restic.lock(running)
        running.kill()
    page.advance(timedelta(minutes=20))
    restic("unlock")
    young = list(locks.iterdir())
    page.advance(timedelta(minutes=20))
    restic("unlock")

    assert 1 == len(young)
    assert [] == list(locks.iterdir())


def test_keep_within_reckons_in_the_page_s_time(restic: Restic) -> None:
    for day in (0, 4, 7, 9):
        restic.backup(AT + day * DAY)
    restic("forget", "-q", "--keep-within", "3d")

    assert [7, 9] == restic.days()


@pytest.mark.parametrize(
    "policy",
    [Policy(within=parse_duration("3d")), Policy(within_daily=parse_duration("3d"))],
    ids=str,
)
def test_snapshots_of_the_future_are_decided_as_the_model_does(
    restic: Restic, page: ClockPage, policy: Policy
) -> None:
    for day in (0, 4, 7, 9, 400):
        restic.backup(AT + day * DAY)
    snapshots = newest_first(map(parse_snapshot, restic.snapshots()))
    now = AT + 9 * DAY + timedelta(hours=1)
    page.set(now)
    forget = Forget(policy, rules_for(restic.release), UTC)
    kept = forget.decide(group_key(snapshots[0], ("host", "paths")), snapshots, now).keep
    restic("forget", "-q", *policy.options())

    assert {s.id for s in kept} == {s["id"] for s in restic.snapshots()}


def test_a_cache_is_as_old_as_the_page_says(restic: Restic, page: ClockPage) -> None:
    """`cache --cleanup` removes a cache that was not used for 30 days; restic stamps it itself."""
    # Twice: the kernel dates the folder when the first puts folders into it.
    restic.backup(AT)
    restic.backup(AT)
    cache = Path(restic.env["RESTIC_CACHE_DIR"])
    page.set(AT + 10 * DAY)
    restic("cache", "--cleanup")
    young = [path for path in cache.iterdir() if path.is_dir()]
    page.set(AT + 40 * DAY)
    restic("cache", "--cleanup")

    assert 1 == len(young)
    assert [] == [path for path in cache.iterdir() if path.is_dir()]


def test_prune_and_check_do_their_work_years_ahead(restic: Restic) -> None:
    for day in range(3):
        restic.file.write_text(f"content of day {day}")
        restic.backup(AT + day * DAY)
    restic("forget", "-q", "--keep-last", "1", "--prune")
    restic("check", "-q", "--read-data")

    assert [2] == restic.days()


def test_rclone_sees_the_page_s_time(page: ClockPage, tmp_path: Path) -> None:
    """Its log is dated; years ahead, all that the kernel dates is old enough to be removed."""
    new = tmp_path / "files" / "new"
    new.parent.mkdir()
    new.touch()
    done = run(
        page, "rclone", "-v", "--config=", "delete", "--min-age", "30d", str(new.parent),
        env={"HOME": str(tmp_path)},
    )  # fmt: skip

    assert 0 == done.returncode
    assert done.stderr.startswith("2031/01/01 04:")
    assert not new.exists()


@pytest.fixture
def server(sshd: Sshd, page: ClockPage) -> Iterator[tuple[str, ...]]:
    """Run an sshd under the page; give the command that reaches it, which is outside of it."""
    folder = sshd.bin.parent
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    settings = (folder / "config").read_text().replace(f":{sshd.port}\n", f":{port}\n")
    (folder / "config-clock").write_text(settings)
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or "sshd"
    argv = under(page.path, (program, "-D", "-e", "-f", str(folder / "config-clock")))
    with subprocess.Popen(argv, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        while b"listening" not in (line := running.stderr.readline()).lower():
            assert line, "sshd ended before it listened"
        yield ("ssh", "-F", str(folder / "client"), "-p", port, sshd.user + "@127.0.0.1")
        running.terminate()
        running.stderr.read()


@pytest.mark.parametrize("terminal", [(), ("-tt",)], ids=["command", "terminal"])
def test_a_session_of_sshd_is_in_the_page_s_time(
    server: tuple[str, ...], page: ClockPage, terminal: tuple[str, ...]
) -> None:
    """Behind its sandbox, through the login shell, and as the clock moves on."""
    said = []
    for year in (2031, 2040):
        page.set(AT.replace(year=year))
        session = (*server[:-1], *terminal, server[-1], "date -u +%Y; sh -c 'exit 5'")
        done = subprocess.run(session, capture_output=True, text=True, check=False)
        said.append((done.returncode, done.stdout.strip()))

    assert [(5, YEAR), (5, "2040")] == said


def test_many_sessions_at_once_are(server: tuple[str, ...]) -> None:
    running = [
        subprocess.Popen((*server, "date -u +%Y"), stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]

    assert [f"{YEAR}\n"] * 8 == [session.communicate()[0] for session in running]
