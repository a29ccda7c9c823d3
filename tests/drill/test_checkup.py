"""What `doctor` makes of what it saw: each judgement both ways."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.drill.lab import PASSWORD, Lab
from verifier.clock.kernel import KernelClock, kernel_clock
from verifier.core.checkup import Check, Seen, examine
from verifier.core.errors import CannotVerify
from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.drill.checkup import machine
from verifier.drill.checkup.eyes import judge_eyes, judge_includes
from verifier.drill.checkup.hosts import judge_mount, judge_permit, judge_script, judge_variable
from verifier.drill.checkup.installed import Installed, Weight, judge_timer
from verifier.drill.checkup.programs import Programs, judge_engine, judge_restic, programs
from verifier.drill.checkup.repository import Place, find_locked
from verifier.drill.checkup.rights import grants, judge_rights
from verifier.drill.checkup.room import Place as RoomPlace
from verifier.drill.checkup.room import ask_room, judge_room
from verifier.drill.checkup.skew import Skew, between, judge_skew
from verifier.drill.restore import Source
from verifier.fleet.local import CLEAN_ENV, LocalHost
from verifier.reader.location import open_storage
from verifier.restic.commands import Access

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MIB = 1 << 20


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (machine.judge_python((3, 11)), "ok"),
        (machine.judge_python((3, 10)), "warning"),
        (machine.judge_processors(2, None), "ok"),
        (machine.judge_processors(2, 2), "ok"),
        (machine.judge_processors(2, 3), "warning"),
        (machine.judge_memory(450 * MIB, 2), "ok"),
        (machine.judge_memory(449 * MIB, 2), "warning"),
        (machine.judge_memory(None, 2), "unknown"),
        (machine.judge_user("restic", "restic"), "ok"),
        (machine.judge_user("root", "restic"), "warning"),
        (machine.judge_user("root", ""), "ok"),
        (machine.judge_clock(KernelClock(synchronised=True, error_s=0.01)), "ok"),
        (machine.judge_clock(KernelClock(synchronised=False, error_s=16.0)), "warning"),
        (machine.judge_clock(None), "unknown"),
        (machine.judge_control(""), "ok"),
        (machine.judge_control("no ptrace here"), "warning"),
        (judge_engine(None), "skipped"),
        (judge_engine("no Docker engine answers"), "warning"),
        (judge_engine(""), "ok"),
        (judge_restic("0.18.0", Policy(last=UNLIMITED)), "ok"),
        (judge_restic("0.14.0", Policy(last=UNLIMITED)), "failed"),
        (judge_restic("0.14.0", Policy(within_daily=Duration(days=7))), "ok"),
        (judge_restic("0.12.0", Policy(within_daily=Duration(days=7))), "failed"),
        (judge_restic("0.12.0", Policy(within=Duration(days=7))), "ok"),
        (judge_restic("0.99.0", None), "warning"),
        (judge_timer("x.timer", "enabled", "active"), "ok"),
        (judge_timer("x.timer", "disabled", "active"), "warning"),
        (judge_timer("x.timer", "enabled", "inactive"), "failed"),
        (judge_timer("x.timer", "", ""), "unknown"),
        (judge_variable("marker", "marker", "web1"), "ok"),
        (judge_variable("", "marker", "web1"), "failed"),
        (judge_variable("other", "marker", "web1"), "failed"),
        (judge_script(["absent"], b"x", "web1"), "failed"),
        (judge_script(["unusable"], b"x", "web1"), "failed"),
        (judge_script([], b"x", "web1"), "unknown"),
        (judge_script(["0" * 64, "-"], b"x", "web1"), "warning"),
        (judge_script(["0" * 64, "-"], None, "web1"), "ok"),
        (judge_permit(0, "/usr/local/sbin/permit-backup", "web1"), "ok"),
        (judge_permit(1, "sudo: a password is required", "web1"), "failed"),
        (judge_mount("/r", ["absent"], ""), "failed"),
        (judge_mount("/r", ["empty"], ""), "failed"),
        (judge_mount("/r", ["aa  -"], "aa"), "ok"),
        (judge_mount("/r", ["aa  -"], ""), "ok"),
        (judge_mount("/r", ["aa  -"], "bb"), "failed"),
        (judge_mount("/r", ["closed data", "aa  -"], "aa"), "failed"),
        (judge_includes({"/etc": "folder", "/x": "file"}), "ok"),
        (judge_includes({"/etc": "folder", "/x": "absent"}), "failed"),
        (judge_includes({"/etc": "folder", "/x": "empty"}), "warning"),
        (judge_includes({"/etc": "Permission denied"}), "warning"),
        (judge_eyes({"python": [3, 8, 0], "rights": ["04"]}, ()), "ok"),
        (judge_eyes({"python": [3, 7, 9], "rights": ["04"]}, ()), "failed"),
        (judge_eyes({"python": [3, 11, 2], "rights": ["00"]}, ()), "warning"),
        (judge_eyes({"python": [3, 11, 2], "rights": ["00"]}, ("sudo",)), "warning"),
    ],
)
def test_each_thing_is_judged_both_ways(seen: Seen, status: str) -> None:
    assert (status, bool(seen.saw)) == (seen.status, True)
    assert bool(seen.remedy) is (status not in {"ok", "skipped"})


@pytest.mark.parametrize(
    ("clauses", "expected"),
    [
        (" cap_dac_read_search=ep", True),
        (" = cap_dac_read_search+ep", True),
        (" cap_chown,cap_dac_read_search=eip", True),
        (" =ep", True),
        (" cap_dac_read_search=p", False),
        (" cap_dac_read_search=e", False),
        (" cap_net_raw=ep", False),
        (" cap_net_raw=ep cap_dac_read_search=ep", True),
        ("", False),
    ],
)
def test_a_capability_is_read_as_getcap_prints_it(clauses: str, expected: bool) -> None:
    assert expected is grants(clauses)


def rights(**facts: str) -> str:
    """Return what a host with the capability says, some facts changed."""
    good = {
        "uid": "1500",
        "program": "/usr/bin/restic",
        "NoNewPrivs:": "0",
        "CapBnd:": "000001ffffffffff",
        "CapEff:": "0000000000000000",
        "options": "rw,relatime",
        "getcap": "/usr/bin/restic cap_dac_read_search=ep",
    }
    named = {{"bnd": "CapBnd:", "new": "NoNewPrivs:", "eff": "CapEff:"}.get(k, k): v
             for k, v in facts.items()}  # fmt: skip
    return "\n".join(f"{name} {value}" for name, value in {**good, **named}.items() if value)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (rights(), "ok"),
        (rights(getcap="/usr/bin/restic"), "failed"),
        (rights(getcap=""), "unknown"),
        (rights(new="1"), "failed"),
        (rights(options="rw,nosuid"), "failed"),
        (rights(bnd="00000000a80425fb"), "failed"),
        (rights(program="", getcap=""), "unknown"),
        (rights(uid="0", eff="000001ffffffffff", getcap=""), "ok"),
        (rights(uid="0", eff="0000000000000000", getcap="/usr/bin/restic"), "failed"),
    ],
)
def test_a_capability_counts_where_nothing_voids_it(said: str, status: str) -> None:
    assert status == judge_rights(said).status


@pytest.mark.parametrize(
    ("ahead_s", "error_s", "status"),
    [
        (0.3, 0.2, "ok"),
        (-4.9, 0.1, "ok"),
        (5.2, 0.1, "warning"),
        (-5.2, 0.1, "warning"),
        (5.2, 1.0, "unknown"),
        (0.0, 5.1, "unknown"),
        (601.0, 0.5, "failed"),
        (-601.0, 0.5, "failed"),
        (600.0, 0.5, "warning"),
    ],
)
def test_the_least_possible_skew_counts(ahead_s: float, error_s: float, status: str) -> None:
    assert status == judge_skew(Skew(ahead_s, error_s, "+0000")).status


@pytest.mark.parametrize(
    ("answer", "ahead_s", "error_s"),
    [
        (f"{int(NOW.timestamp()) + 61}.0 -0800", 60.0, 1.0),
        (f"{int(NOW.timestamp()) + 1}.500000000 +0000", 0.5, 1.0),
        (f"{int(NOW.timestamp()) + 1} +0000", 0.5, 1.5),
        (f"{int(NOW.timestamp()) + 1}.%N +0000", 0.5, 1.5),
    ],
)
def test_skew_lies_within_half_a_round_trip(answer: str, ahead_s: float, error_s: float) -> None:
    found = between(NOW, answer, NOW + timedelta(seconds=2), "web1")

    assert (ahead_s, error_s) == (found.ahead_s, found.error_s)


def test_an_answer_that_is_no_time_is_no_skew() -> None:
    with pytest.raises(CannotVerify):
        between(NOW, "Welcome to web1", NOW, "web1")


def test_the_kernel_says_whether_its_clock_is_kept_right() -> None:
    found = kernel_clock()

    assert found is None or 0 <= found.error_s


def test_memory_is_read_as_the_kernel_prints_it(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")

    assert 2 * MIB == machine.read_memory(tmp_path / "meminfo")
    assert machine.read_memory(tmp_path / "none") is None
    assert (machine.read_memory() or 0) > 0


def test_the_temporary_folder_is_written_to(tmp_path: Path) -> None:
    assert "ok" == machine.judge_temporary(tmp_path).status
    assert [] == list(tmp_path.iterdir())
    assert "failed" == machine.judge_temporary(tmp_path / "none").status


def test_the_machine_is_asked_and_changes_nothing() -> None:
    found = {c.name: c for c in examine(machine.machine(machine.Wanted(), lambda: "no"))}

    assert "ok" == found["python"].status
    assert "warning" == found["clock of programs"].status
    assert all(check.status != "failed" for check in found.values())


def test_room_is_judged_by_what_it_is_for() -> None:
    place = RoomPlace("scratch", Path("/s"), 100 * MIB, "monthly.scratch-budget")
    grows = RoomPlace("repository", Path("/r"), 1, "a backup", grows=True)

    assert "ok" == judge_room(place, 100 * MIB, 200 * MIB).status
    assert "warning" == judge_room(place, 99 * MIB, 200 * MIB).status
    assert "failed" == judge_room(place, 0, 200 * MIB).status
    assert "ok" == judge_room(grows, 5 * MIB, 100 * MIB).status
    assert "warning" == judge_room(grows, 4 * MIB, 100 * MIB).status


def test_a_folder_that_is_to_be_made_is_looked_at_where_it_will_be(tmp_path: Path) -> None:
    place = RoomPlace("spool", tmp_path / "a" / "b", 1, "what it may grow by")

    assert "ok" == ask_room(place).status
    assert not (tmp_path / "a").exists()


def test_a_locked_data_set_is_found_by_its_mount_point() -> None:
    listing = (
        "tank\t/tank\t-\tyes\n"
        "tank/keys\t/mnt/keys\tunavailable\tno\n"
        "tank/open\t/mnt/open\tavailable\tyes\n"
        "tank/shut\t/mnt/shut\tavailable\tno\n"
    )

    assert "tank/keys" == find_locked("/mnt/keys/restic/password", listing)
    assert "tank/shut" == find_locked("/mnt/shut/password", listing)
    assert "" == find_locked("/mnt/open/password", listing)
    assert "" == find_locked("/mnt/keysplus/password", listing)
    assert "" == find_locked("/etc/password", listing)


# Programs, and the repository, for real.


def test_programs_are_asked_for_real(restic_program: str) -> None:
    here = LocalHost(env=os.environ)
    used = Programs(restic_program, Policy(daily=1), ssh=True, rclone_target="/folder")
    found = {c.name: c for c in examine(programs(here, used, lambda: None))}

    assert {"restic": "ok", "ssh": "ok", "rclone": "ok", "docker": "skipped"} == {
        name: check.status for name, check in found.items()
    }


def test_programs_that_are_not_there_have_failed(tmp_path: Path) -> None:
    here = LocalHost(env={**CLEAN_ENV, "PATH": str(tmp_path)})
    used = Programs("restic", ssh=True, rclone_target="remote:x")
    found = {c.name: c for c in examine(programs(here, used, lambda: None))}

    assert {"failed"} == {found[name].status for name in ("restic", "ssh", "rclone")}


def test_a_remote_that_rclone_does_not_know_has_failed(tmp_path: Path) -> None:
    config = tmp_path / "rclone.conf"
    config.write_text("[known]\ntype = local\n")
    here = LocalHost(env={**os.environ, "RCLONE_CONFIG": str(config)})

    def asked(target: str) -> str:
        used = Programs("restic", rclone_target=target)
        return next(
            c.status for c in examine(programs(here, used, lambda: None)) if c.name == "rclone"
        )

    assert ("ok", "failed") == (asked("known:restic"), asked("unknown:restic"))


def place(lab: Lab, password: Callable[[], str], here: LocalHost, key_file: str = "") -> Place:
    """Return the laboratory's repository as it is asked about."""
    access = Access(str(lab.repository), password=PASSWORD, options=("--no-cache",))
    return Place(
        "repository",
        lambda: open_storage(str(lab.repository), {}),
        password,
        key_file,
        Source(here, lab.program, access),
        here,
    )


def asked(place: Place, now: datetime = NOW) -> dict[str, Check]:
    """Ask everything about it."""
    return {check.name: check for check in examine(place.questions(now))}


@pytest.fixture
def lab(tmp_path: Path, restic_program: str) -> Lab:
    """An empty repository."""
    lab = Lab(tmp_path, restic_program)
    lab.restic("init")
    return lab


@pytest.mark.heavy
def test_the_step_that_fails_is_the_one_that_is_named(lab: Lab) -> None:
    here = LocalHost(env=os.environ)
    good = asked(place(lab, lambda: PASSWORD, here))
    wrong = asked(place(lab, lambda: "wrong", here))

    def gone() -> str:
        raise CannotVerify("/k/password", "cannot be read", "mount it")

    locked = asked(place(lab, gone, here))

    assert {"ok"} == {check.status for check in good.values()}
    assert ("ok", "ok", "failed", "skipped") == tuple(
        wrong[name].status for name in ("password", "location", "opens", "locks")
    )
    assert ("failed", "ok", "skipped", "skipped") == tuple(
        locked[name].status for name in ("password", "location", "opens", "restic opens it")
    )
    (lab.repository / "config").rename(lab.root / "config")
    (lab.repository / "keys").rename(lab.root / "keys")
    assert "failed" == asked(place(lab, lambda: PASSWORD, here))["location"].status


@pytest.mark.heavy
def test_a_lock_that_was_left_behind_is_a_warning(lab: Lab) -> None:
    """Made by a backup that waits for its standard input, and is killed."""
    here = LocalHost(env=os.environ)
    argv = (lab.program, "--no-cache", "-r", str(lab.repository), "backup", "--stdin")
    env = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE) as backup:
        # Written under a name of another length first.
        while not [file for file in (lab.repository / "locks").iterdir() if len(file.name) == 64]:
            assert backup.poll() is None
        backup.kill()
    now = datetime.fromtimestamp(next((lab.repository / "locks").iterdir()).stat().st_mtime, UTC)
    fresh = asked(place(lab, lambda: PASSWORD, here), now)
    stale = asked(place(lab, lambda: PASSWORD, here), now + timedelta(hours=1))

    assert ("ok", "warning") == (fresh["locks"].status, stale["locks"].status)
    assert "restic unlock" in stale["locks"].seen.remedy


def test_a_locked_key_is_told_as_such(tmp_path: Path) -> None:
    """By what `zfs` says; here it is a program that says so."""
    zfs = tmp_path / "zfs"
    zfs.write_text("#!/bin/sh\nprintf 'tank/keys\\t/mnt/keys\\tunavailable\\tno\\n'\n")
    zfs.chmod(0o755)
    here = LocalHost(env={**CLEAN_ENV, "PATH": f"{tmp_path}:{os.environ['PATH']}"})

    def gone() -> str:
        raise CannotVerify("/mnt/keys/password", "cannot be read", "mount it")

    repository = place(Lab(tmp_path, "restic"), gone, here, "/mnt/keys/password")
    found = examine(repository.questions(NOW))[0]

    assert ("failed", True) == (found.status, "tank/keys" in found.seen.saw)
    assert "zfs load-key tank/keys && zfs mount tank/keys" == found.seen.remedy


# What is installed.


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with systemd, and everything installed."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        path.chmod(0o755)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(
        '#!/bin/sh\n[ "$1" = is-enabled ] && echo enabled && exit\n[ "$1" = is-active ] && '
        "echo active\n"
    )
    systemctl.chmod(0o755)
    return tmp_path


FILES = {
    "usr/local/bin/run-backups": b"#!/bin/sh\n",
    "etc/systemd/system/run-backups.timer": b"[Timer]\n",
}


def installation(root: Path, weight: Weight = "needed") -> dict[str, str]:
    """Ask about everything that is installed."""
    weights = dict.fromkeys(FILES, weight)
    here = LocalHost(env={**CLEAN_ENV, "PATH": f"{root}/bin:{CLEAN_ENV['PATH']}"})
    return {c.name: c.status for c in examine(Installed(here, FILES, weights, root).questions())}


def test_what_is_installed_is_held_against_what_is_rendered(root: Path) -> None:
    script, timer = (root / name for name in FILES)

    assert {"run-backups": "ok", "run-backups.timer": "ok"} == installation(root)
    script.chmod(stat.S_IRUSR)
    timer.write_text("[Timer]\nOnCalendar=daily\n")
    assert {"run-backups": "failed", "run-backups.timer": "warning"} == installation(root)
    script.unlink()
    timer.unlink()
    assert {"run-backups": "failed", "run-backups.timer": "failed"} == installation(root)
    assert {"warning"} == set(installation(root, "useful").values())
    assert {"skipped"} == set(installation(root, "optional").values())


def test_a_timer_that_does_not_wait_has_failed(root: Path) -> None:
    (root / "bin" / "systemctl").write_text("#!/bin/sh\necho inactive\nexit 3\n")

    assert {"run-backups": "ok", "run-backups.timer": "failed"} == installation(root)


def test_without_systemd_no_timer_is_missed(root: Path) -> None:
    (root / "run/systemd/system").rmdir()

    assert {"run-backups": "ok", "units and timers": "skipped"} == installation(root)
