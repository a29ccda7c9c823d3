"""The machines of a cycle with scripts of the user's own: what these can reach, and what not.

Each attempt is made for real, on the coordinator and on a host, as the script of a user who is root
here would make it.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.test_own_scripts import FILE
from verifier.clock.control import under
from verifier.clock.page import ClockPage
from verifier.config.scenario import parse_scenario
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.simulate.worlds.machines import PATH, Machines

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0, reason="who is not root can write to little in any case"),
]

NAME = f"restic-verify-test-{os.getpid()}"
LIMIT_S = 60.0
"""Long enough for what ends by itself, and too short for what a script left behind."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a world, whose one program lies outside of where programs lie."""
    base = tmp_path_factory.mktemp("machines")
    program = base / "programs" / "restic"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho ours\n")
    program.chmod(0o755)
    world = base / "system"
    for name in ("keys", "repository", "offsite", "down", "turns", "over"):
        (world / name).mkdir(parents=True)
    for host, top in (("web1", "etc"), ("web1", "srv"), ("db1", "var")):
        (world / "hosts" / host / "data" / top).mkdir(parents=True)
    return world


@pytest.fixture(scope="module")
def machines(folder: Path) -> Iterator[Machines]:
    """Give the machines, with a file of the real one's in each folder that is shown to them."""
    real = [Path("/etc", NAME), Path("/usr/local/bin", NAME)]
    for path in real:
        path.write_text("as it was\n")
    try:
        config = parse_scenario(FILE, "own.toml").config
        made = Machines(folder, config, [str(folder.parent / "programs" / "restic")])
        made.install({})
        made.furnish("web1")
        yield made
    finally:
        for path in real:
            path.unlink()


def run(folder: Path, argv: tuple[str, ...]) -> Completed:
    env = {"PATH": PATH, "SIMULATION": str(folder), "TZ": "UTC", "HOME": "/root"}
    return LocalHost().run(Command(argv, env=env), timeout_s=LIMIT_S)


def say(folder: Path, machines: Machines, script: str, where: str = "coordinator") -> Completed:
    """Run a line of shell on the coordinator, or as it runs one on a host."""
    words = ("/bin/sh", "-c", script) if where == "coordinator" else ("ssh", "web1", script)
    return run(folder, machines.on_coordinator(*words))


@pytest.mark.parametrize("where", ["coordinator", "web1"])
@pytest.mark.parametrize("place", ["/etc", "/run/simulated/etc", "/usr/local/bin"])
def test_file_that_the_real_machine_has_cannot_be_written_to(
    folder: Path, machines: Machines, place: str, where: str
) -> None:
    if (where, place) == ("web1", "/etc"):
        pytest.skip("a host's own, of which it backs up a copy")
    done = say(folder, machines, f"cat {place}/{NAME} && echo x >> {place}/{NAME}", where)

    assert b"as it was\n" == done.stdout
    assert 0 != done.status
    assert {"as it was\n"} == {Path(real, NAME).read_text() for real in ("/etc", "/usr/local/bin")}


OUTSIDE = {
    "/run/simulated/etc": "/etc",
    "/run/simulated/local": "/usr/local/bin",
    "/proc/1/root/etc": "/etc",
    **{
        place: place
        for place in (
            "/",
            "/dev",
            "/dev/shm",  # noqa: S108 - that it is another one is what is tested
            "/etc",
            "/home",
            "/media",
            "/mnt",
            "/opt",
            "/root",
            "/run",
            "/srv",
            "/tmp",  # noqa: S108 - as above
            "/usr",
            "/usr/bin",
            "/usr/local/bin",
            "/var",
            "/var/log",
            "/var/tmp",  # noqa: S108 - as above
        )
    },
}


@pytest.mark.parametrize("where", ["coordinator", "web1"])
@pytest.mark.parametrize("place", OUTSIDE)
def test_new_file_does_not_arrive_on_the_real_machine(
    folder: Path, machines: Machines, place: str, where: str
) -> None:
    say(folder, machines, f"echo x > {place}/{NAME}-new", where)
    real = Path(OUTSIDE[place], f"{NAME}-new")
    arrived = real.exists()
    real.unlink(missing_ok=True)

    assert not arrived


@pytest.mark.parametrize("where", ["coordinator", "web1"])
def test_settings_of_the_kernel_cannot_be_written_to(
    folder: Path, machines: Machines, where: str
) -> None:
    script = "for s in vm/swappiness kernel/core_pattern; do cp /proc/sys/$s /tmp/s\n"
    script += "cat /tmp/s > /proc/sys/$s && echo $s; done; [ -e /proc/sys/vm ]"
    done = say(folder, machines, script, where)

    assert (0, b"") == (done.status, done.stdout)


@pytest.mark.parametrize("where", ["coordinator", "web1"])
def test_devices_are_those_that_harm_nobody(folder: Path, machines: Machines, where: str) -> None:
    script = "echo x > /dev/null && head -c 1 /dev/urandom > /dev/shm/x && ls /dev && ls /dev/pts;"
    done = say(folder, machines, f"{script} mknod /root/disk b 254 0", where)
    own = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ptmx"

    assert own.split() == done.stdout.decode().split()
    assert b"Operation not permitted" in done.stderr


def test_clock_of_the_real_machine_cannot_be_set(folder: Path, machines: Machines) -> None:
    """By the right that it takes: an attempt that succeeded would harm the tests of others."""
    done = say(folder, machines, "grep CapEff /proc/self/status")
    sys_time, sys_boot, sys_module, mknod = 25, 22, 16, 27

    held = int(done.stdout.split()[1], 16)
    assert [] == [right for right in (sys_time, sys_boot, sys_module, mknod) if held >> right & 1]


def test_disk_that_is_mounted_below_is_shown_and_not_written_to(
    folder: Path, machines: Machines
) -> None:
    begin = "mkdir /opt/below; mount -t tmpfs disk /opt/below; echo x > /opt/below/x"
    script = "cat /opt/below/x; echo y > /opt/below/y"
    inside = machines.on_coordinator("/bin/sh", "-c", script)
    around = f'mount -t tmpfs disk /opt; {begin}; "$@"; ls /opt/below'
    done = run(folder, ("unshare", "--mount", "sh", "-c", around, "sh", *inside))

    assert b"x\nx\n" == done.stdout
    assert b"Read-only file system" in done.stderr


@pytest.mark.parametrize("where", ["coordinator", "web1"])
def test_programs_and_names_of_the_real_machine_are_known(
    folder: Path, machines: Machines, where: str
) -> None:
    """A user's name stands in /etc/passwd, and our file in /usr/local/bin is the real one's."""
    script = f"restic; id -un; cat /usr/local/bin/{NAME}; hostname"
    done = say(folder, machines, script, where)
    name = where if where == "web1" else "jak"

    assert f"ours\nroot\nas it was\n{name}\n" == done.stdout.decode()


def test_program_in_the_folder_of_local_programs_is_found(folder: Path, tmp_path: Path) -> None:
    """Where most people have their restic."""
    program = Path("/usr/local/bin", f"{NAME}-restic")
    program.write_text("#!/bin/sh\necho ours\n")
    program.chmod(0o755)
    world = tmp_path / "system"
    try:
        for name in ("keys", "repository", "offsite"):
            (world / name).mkdir(parents=True)
        machines = Machines(world, parse_scenario(FILE, "own.toml").config, [str(program)])
        machines.install({})
        done = say(world, machines, program.name)
    finally:
        program.unlink()

    assert b"ours\n" == done.stdout


@pytest.mark.parametrize("where", ["coordinator", "web1"])
def test_machines_have_a_network_of_their_own(folder: Path, machines: Machines, where: str) -> None:
    """Nobody listens on theirs; somebody does on the real one."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        script = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'; grep -c : /proc/net/dev"
        done = say(folder, machines, script, where)

    assert b"Connection refused" in done.stderr
    assert b"1\n" == done.stdout


LEFT = {
    "in the background": "sleep 3600 &",
    "as a daemon": "setsid sleep 3600 < /dev/null > /dev/null 2>&1 &",
    "that ignores signals": "(trap '' TERM INT HUP; sleep 3600) &",
    "on a host": "ssh web1 'sleep 3600 &'",
}


@pytest.mark.parametrize("how", LEFT)
def test_what_a_script_leaves_behind_ends_with_it(
    folder: Path, machines: Machines, tmp_path: Path, how: str
) -> None:
    """As with systemd, whose service is over when its main process is (KillMode=control-group).

    Under a controlled clock, which waits for everything that it follows.
    """
    page = ClockPage.create(tmp_path / "page")
    script = f"{LEFT[how]}\necho done; exit 7"
    argv = under(page.path, machines.on_coordinator("/bin/sh", "-c", script), sys.executable)
    done = run(folder, argv)

    assert (7, b"done\n") == (done.status, done.stdout)
