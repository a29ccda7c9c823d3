"""`restic-verify drill`: what it looks at, what a wrong line is told, and what a kill leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.console import environment, report, run, start
from tests.drill.lab import HOST, PASSWORD, Lab
from verifier.cli.main import main
from verifier.drill.scratch import PREFIX
from verifier.simulate.forge import cheapen

OTHER = "db1"
Drill = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Two hosts, of which one has two groups: the whole tree, and later a folder of it."""
    program = shutil.which("restic")
    assert program, "restic is not on PATH: these tests ask the real program"
    lab = Lab(tmp_path_factory.mktemp("drill"), program)
    lab.live.mkdir()
    lab.restic("init")
    cheapen(lab.repository, PASSWORD)
    lab.write(a=os.urandom(100_000), sub__b=os.urandom(120_000))
    lab.backup(host=OTHER)
    lab.backup()
    lab.backup(str(lab.live / "sub"))
    return lab


@pytest.fixture
def drill(
    shared: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Drill:
    """Run the command on the repository; return its exit code and its report."""
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.chdir(shared.root)

    def call(*line: str) -> tuple[int, dict[str, Any]]:
        status = main(["drill", "--json", "--repo", str(shared.repository), *line])
        return status, report(capsys.readouterr().out)

    return call


def ids(lab: Lab, host: str) -> list[str]:
    """Return the IDs of a host's snapshots, oldest first."""
    listed = json.loads(lab.restic("snapshots", "--json", "--host", host))
    return [snapshot["id"] for snapshot in listed]


def looked_at(found: dict[str, Any]) -> list[str]:
    """Return the IDs of the snapshots in a report."""
    return sorted(host["snapshot"] for host in found["drill"]["hosts"])


def test_newest_of_each_group_is_drilled(shared: Lab, drill: Drill) -> None:
    status, found = drill("--host", HOST)

    assert (0, "OK") == (status, found["verdict"])
    assert sorted(ids(shared, HOST)) == looked_at(found)
    assert [] == [f for f in found["findings"] if f["severity"] != "OK"]


def test_latest_is_the_newest_alone(shared: Lab, drill: Drill) -> None:
    status, found = drill("--host", HOST, "--snapshot", "latest")

    assert (0, ids(shared, HOST)[-1:]) == (status, looked_at(found))


def test_snapshot_tells_its_host(shared: Lab, drill: Drill) -> None:
    (other,) = ids(shared, OTHER)
    status, found = drill("--snapshot", other[:8])

    assert (0, [other], OTHER) == (status, looked_at(found), found["inputs"]["host"])


def test_path_chooses_its_snapshots(shared: Lab, drill: Drill) -> None:
    status, found = drill("--host", HOST, "--path", f"{shared.live}/sub/")

    assert (0, ids(shared, HOST)[-1:]) == (status, looked_at(found))


@pytest.mark.parametrize(
    ("line", "words", "expected"),
    [
        ((), "snapshots of 2 hosts", 64),
        (("--snapshot", "ffffffffff"), "no snapshot has an ID", 64),
        (("--host", HOST, "--snapshot", "ffffffffff"), "no snapshots of web1", 64),
        (("--host", "nobody"), "nobody: the repository holds no snapshot", 3),
        (("--host", HOST, "--path", "/nowhere"), "no snapshot of /nowhere", 3),
        (("--host", HOST, "--budget", "much"), "no size with its unit", 64),
        (("--host", HOST, "--exclude", "[a"), "malformed exclude pattern", 64),
        (("--host", HOST, "--workers", "0"), "not a whole number", 64),
        (("--host", HOST, "--executor", "cloud"), "no such executor", 64),
        (("--config", "verify.toml"), "exclude each other", 64),
    ],
)
def test_wrong_line_is_told(drill: Drill, line: tuple[str, ...], words: str, expected: int) -> None:
    status, found = drill(*line)

    assert expected == status
    assert words in found["error"]["message"]
    assert found["error"]["remedy"]


def test_snapshot_and_path_must_agree(shared: Lab, drill: Drill) -> None:
    first, _ = ids(shared, HOST)

    assert 64 == drill("--host", HOST, "--snapshot", first, "--path", f"{shared.live}/sub")[0]
    assert 0 == drill("--host", HOST, "--snapshot", first, "--path", str(shared.live))[0]


def test_budget_leaves_the_rest_to_coverage(shared: Lab, drill: Drill) -> None:
    status, found = drill("--host", HOST, "--snapshot", "latest", "--budget", "130KiB")
    seen = found["coverage"]

    assert (0, []) == (status, found["findings"])
    assert 0 < seen["checked"] < seen["total"]
    assert 130 << 10 >= found["measurements"]["read_bytes"] > 0
    assert (
        {"packs not read (budget)", "content not read (budget)"} >= seen["skipped"].keys() > set()
    )


def test_budget_that_reads_nothing_is_never_ok(drill: Drill) -> None:
    status, found = drill("--host", HOST, "--budget", "3B")

    assert (3, [("empty", "repository")]) == (
        status,
        [(one["kind"], one["subject"]) for one in found["findings"]],
    )
    assert 0 == found["measurements"]["packs_read"]


def test_live_tree_that_is_not_there_is_not_ok(shared: Lab, drill: Drill) -> None:
    status, found = drill("--host", HOST, "--snapshot", "latest", "--source", "/nonexistent")

    assert (3, ["empty"]) == (status, [f["kind"] for f in found["findings"]][:1])
    assert 0 == drill("--host", HOST, "--snapshot", "latest", "--source", "/")[0]


def test_configuration_names_repository_and_host(
    shared: Lab, drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = "".join(
        f'[[hosts]]\nname = "{name}"\naddress = "local"\nsource-root = "{root}"\n'
        f'include = ["{shared.live}/"]\n'
        for name, root in ((HOST, "/"), (OTHER, f"{shared.root}/slash"))
    )
    # Hosts of one machine have roots of their own.
    (shared.root / "slash").symlink_to("/")
    (shared.root / "verify.toml").write_text(
        f'schema = 1\n[repository]\nlocation = "{shared.repository}"\n[coordinator]\nname = "jak"\n'
        f'[schedule]\ntimes = ["04:00"]\ntimezone = "UTC"\n[retention]\nkeep-daily = 30\n{hosts}'
    )

    assert 64 == main(["drill", "--json"])
    assert "name one of" in report(capsys.readouterr().out)["error"]["remedy"]
    assert 0 == main(["drill", "--json", "--host", OTHER])
    assert ids(shared, OTHER) == looked_at(report(capsys.readouterr().out))


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder with a short name: processes meet at sockets below it, whose names are bounded."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.heavy
def test_what_a_killed_drill_left_goes_with_the_next(shared: Lab, room: Path) -> None:
    env = environment(RESTIC_PASSWORD=PASSWORD, TMPDIR=str(room))
    line = ("drill", "--json", "--repo", str(shared.repository), "--host", OTHER)
    killed = start(*line, env=env)
    while not list(room.glob(f"{PREFIX}*/ledger")):
        assert killed.poll() is None, killed.communicate()
        os.sched_yield()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = list(room.glob(f"{PREFIX}*"))
    done = run(*line, env=env)

    assert 0 == done.returncode, done.stderr
    assert 1 == len(left)
    assert [] == list(room.glob(f"{PREFIX}*"))
