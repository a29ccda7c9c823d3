"""A container as a host: what goes in and what comes out, and machines as they start and stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.conftest import IDLE, Start, idle
from verifier.core.errors import CannotVerify, HostUnreachable, ToolMissing
from verifier.core.host import Command, Completed
from verifier.fleet.container import ContainerHost
from verifier.fleet.containers import Fleet
from verifier.fleet.description import Installed, Machine, Mount

SECRET = "s3cret-word"


class _Recorder:
    """A host that remembers what it was asked to run."""

    name = "localhost"

    def __init__(self) -> None:
        self.asked: list[Command] = []

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        self.asked.append(command)
        return Completed(0, b"", b"", timeout_s or 0)


def test_secret_is_no_argument() -> None:
    via = _Recorder()
    env = {"RESTIC_PASSWORD": SECRET, "LANG": "C"}
    ContainerHost("web1", "0123", via=via, engine={"DOCKER_HOST": "x"}).run(
        Command(("restic", "snapshots"), env=env, secrets=(SECRET,))
    )
    (asked,) = via.asked

    assert SECRET not in " ".join(asked.argv)
    assert {"--env=RESTIC_PASSWORD", "--env=LANG=C"} <= set(asked.argv)
    assert {"DOCKER_HOST": "x", "RESTIC_PASSWORD": SECRET} == asked.env


# Everything below runs in real containers.


@pytest.fixture
def fleet(start: Start) -> Fleet:
    return start(idle("web1"))


@pytest.mark.heavy
def test_command_gives_both_outputs_and_its_status(fleet: Fleet) -> None:
    done = fleet.host("web1").run(Command(("sh", "-c", "cat; echo err >&2; exit 7"), stdin=b"in\0"))

    assert (7, b"in\0", b"err\n") == (done.status, done.stdout, done.stderr)


@pytest.mark.heavy
def test_environment_and_folder_are_the_commands(fleet: Fleet) -> None:
    host = fleet.host("web1", env={"A": "one", "B": "two words"})
    done = host.run(
        Command(
            ("sh", "-c", 'echo "$A/$B/$PWD/$P"'),
            {"A": "own", "P": SECRET},
            cwd="/usr",
            secrets=(SECRET,),
        )
    )

    assert f"own/two words//usr/{SECRET}\n".encode() == done.stdout


@pytest.mark.heavy
def test_files_stand_in_for_both_ends(fleet: Fleet, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4_000
    (tmp_path / "in").write_bytes(content)
    fleet.host("web1").run(
        Command(("cat",), stdin_file=str(tmp_path / "in"), stdout_file=str(tmp_path / "out"))
    )

    assert content == (tmp_path / "out").read_bytes()


@pytest.mark.heavy
def test_missing_program_is_named(fleet: Fleet) -> None:
    with pytest.raises(ToolMissing) as caught:
        fleet.host("web1").run(Command(("no-such-program",)))

    assert "no-such-program" == caught.value.subject


@pytest.mark.heavy
def test_time_limit_ends_the_command_in_the_container(fleet: Fleet) -> None:
    host = fleet.host("web1")
    with pytest.raises(CannotVerify, match=r"did not end within 0\.2 s"):
        host.run(Command(("sleep", "1234")), timeout_s=0.2)
    left = host.run(Command(("grep", "-lsz", "1234", "-r", "/proc", "--include=cmdline")))

    assert b"sleep" not in left.stdout


@pytest.mark.heavy
def test_status_124_of_a_quick_command_is_its_own(fleet: Fleet) -> None:
    done = fleet.host("web1").run(Command(("sh", "-c", "exit 124")), timeout_s=60)

    assert 124 == done.status


@pytest.mark.heavy
def test_words_before_make_it_another_users(fleet: Fleet) -> None:
    before = ("setpriv", "--reuid=1234", "--regid=1234", "--clear-groups")
    done = fleet.host("web1", before=before).run(Command(("id", "-u")))

    assert b"1234\n" == done.stdout


@pytest.mark.heavy
def test_machine_installs_and_boots_once(start: Start) -> None:
    fleet = start(
        idle(
            "web1",
            files={"/etc/greeting": Installed(b"hello\n", 0o600)},
            boot=("cat /etc/greeting >>/var/booted",),
        )
    )
    host = fleet.host("web1")
    fleet.power_off("web1")
    fleet.power_on("web1")
    done = host.run(Command(("sh", "-c", "cat /var/booted; stat -c '%a %u' /etc/greeting")))

    assert b"hello\n600 0\n" == done.stdout


@pytest.mark.heavy
def test_machine_without_power_is_unreachable(fleet: Fleet) -> None:
    fleet.power_off("web1")
    up = fleet.is_up("web1")
    with pytest.raises(HostUnreachable):
        fleet.host("web1").run(Command(("true",)))
    fleet.power_on("web1")

    assert not up
    assert 0 == fleet.host("web1").run(Command(("true",))).status


@pytest.mark.heavy
def test_memory_is_empty_after_a_start_and_the_disk_is_not(start: Start) -> None:
    fleet = start(idle("jak", tmpfs=("/mnt/keys",)))
    host = fleet.host("jak")
    host.run(Command(("sh", "-c", "echo key >/mnt/keys/k; echo disk >/var/d")))
    fleet.power_off("jak")
    fleet.power_on("jak")
    done = host.run(Command(("sh", "-c", "ls /mnt/keys; cat /var/d")))

    assert b"disk\n" == done.stdout


@pytest.mark.heavy
def test_machines_share_a_folder_and_see_each_other(start: Start, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    fleet = start(
        idle("one", mounts=(Mount(tmp_path / "shared", "/mnt/a"),)),
        idle(
            "two",
            mounts=(Mount(tmp_path / "shared", "/mnt/b", read_only=True),),
            aliases=("two.example",),
        ),
    )
    fleet.host("one").run(Command(("sh", "-c", "echo here >/mnt/a/f")))
    done = fleet.host("two").run(Command(("sh", "-c", "cat /mnt/b/f; touch /mnt/b/g")))
    known = fleet.host("one").run(Command(("getent", "hosts", "two.example")))

    assert (1, b"here\n") == (done.status, done.stdout)
    assert 0 == known.status


@pytest.mark.heavy
def test_network_leads_nowhere(fleet: Fleet) -> None:
    script = "timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'"
    done = fleet.host("web1").run(Command(("bash", "-c", script)))

    assert 124 == done.status or b"unreachable" in done.stderr


@pytest.mark.heavy
def test_machine_that_does_not_start_says_why(start: Start) -> None:
    broken = Machine("web1", IDLE, "ready", boot=("echo no such disk >&2", "false"))
    with pytest.raises(CannotVerify, match="did not start: no such disk"):
        start(broken)
