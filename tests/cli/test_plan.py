"""`plan` on the command line, held against the `forget` of a real repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.console import LIMIT_S, SCRIPT, report, run
from verifier.cli.main import main
from verifier.fleet.local import LocalHost
from verifier.simulate.forge import make_repository

PASSWORD = "geheim"
DAYS = ("2024-01-01", "2024-01-02", "2024-01-09", "2024-02-01", "2024-03-10", "2024-03-11")


class Lab(NamedTuple):
    """A real repository with a dozen snapshots of two hosts."""

    repository: Path
    password_file: Path
    restic: str

    def environment(self, **changed: str) -> dict[str, str]:
        """Return an environment in which restic opens the repository."""
        known = {"PATH": os.environ["PATH"], "HOME": str(self.password_file.parent)}
        return known | {"RESTIC_PASSWORD_FILE": str(self.password_file), **changed}

    def ask(self, *line: str, program: str = "", **changed: str) -> bytes:
        """Ask restic about the repository."""
        return subprocess.run(
            [program or self.restic, "--no-cache", "-r", str(self.repository), *line],
            env=self.environment(**changed),
            capture_output=True,
            check=True,
            timeout=LIMIT_S,
        ).stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Make the repository, once."""
    folder = tmp_path_factory.mktemp("plan")
    restic = shutil.which("restic")
    assert restic is not None, "the tests take a restic on PATH"
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "source").mkdir()
    (folder / "source" / "file").write_text("content")
    made = Lab(folder / "repository", folder / "password", restic)
    make_repository(made.repository, PASSWORD, LocalHost(), restic)
    for turn, host in enumerate(("alpha", "beta")):
        for day in DAYS:
            line = ("--quiet", "--host", host, "--time", f"{day} 0{turn + 3}:30:00")
            made.ask("backup", *line, str(folder / "source"), TZ="America/Los_Angeles")
    return made


@pytest.fixture
def inside(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Let this process's own environment be the lab's."""
    for name in [name for name in os.environ if name.startswith(("RESTIC_", "TZ"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESTIC_PASSWORD_FILE", str(lab.password_file))
    return lab


def told(capsys: pytest.CaptureFixture[str], *line: str, code: int = 0) -> dict[str, Any]:
    """Run plan in this process and return what it prints."""
    assert code == main(["plan", *line, "--json"]), capsys.readouterr().err
    return report(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *line: str, code: int) -> str:
    """Run a plan that fails and return what it says of it."""
    assert code == main(["plan", *line, "--json"])
    out, err = capsys.readouterr()
    assert code == report(out)["error"]["exit_code"]
    assert "Traceback" not in err
    return err


def planned(plan: dict[str, Any]) -> dict[str, Any]:
    """Return what a plan says, by group, as `decided` does."""
    return {
        group["host"]: (
            [(s["id"], s["time"][:19], s["reasons"]) for s in group["keep"]],
            [(s["id"], s["time"][:19]) for s in group["remove"]],
        )
        for group in plan["plan"]["groups"]
    }


def decided(answer: bytes) -> dict[str, Any]:
    """Return what `restic forget --json` says, by group."""
    return {
        group["host"]: (
            [
                (s["id"], s["time"][:19], why["matches"])
                for s, why in zip(group["keep"] or (), group["reasons"] or (), strict=True)
            ],
            [(s["id"], s["time"][:19]) for s in group["remove"] or ()],
        )
        for group in json.loads(answer)
    }


POLICIES = [
    ("--keep-daily", "3"),
    ("--keep-last", "1", "--keep-monthly", "2"),
    ("--keep-yearly", "5", "--group-by", "host"),
    ("--keep-within", "1d", "--keep-hourly", "2"),
    ("--keep-within-weekly", "2m"),
    ("--keep-tag", ""),
]


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles"])
@pytest.mark.parametrize("policy", POLICIES)
def test_plan_is_what_forget_would_do(
    policy: tuple[str, ...],
    zone: str,
    inside: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # `1d` before 11 March at half past three is another instant in the one zone than in the other.
    monkeypatch.setenv("TZ", zone)
    answer = inside.ask("forget", "--dry-run", "--no-lock", "--json", *policy, TZ=zone)
    plan = told(capsys, "--repo", str(inside.repository), *policy)

    assert decided(answer) == planned(plan)


@pytest.mark.heavy
@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
@pytest.mark.parametrize("policy", POLICIES)
def test_plan_is_what_each_release_would_do(
    policy: tuple[str, ...],
    release: str,
    inside: Lab,
    restic_release: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = str(restic_release(release))
    answer = inside.ask("forget", "--dry-run", "--no-lock", "--json", *policy, program=program)
    asked = told(capsys, "--repo", str(inside.repository), "--restic", program, *policy)
    assert decided(answer) == planned(asked)

    # The list alone, and the rules of that release, give the same.
    file = inside.password_file.with_name("listed.json")
    file.write_bytes(inside.ask("snapshots", "--json"))
    line = ("--snapshots", str(file), "--rules", release)
    assert decided(answer) == planned(told(capsys, *line, *policy))


def test_a_plan_has_its_documented_shape(inside: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    plan = told(capsys, "--repo", str(inside.repository), "--keep-daily", "2")["plan"]
    group = plan["groups"][0]

    assert {"host", "paths", "tags", "keep", "remove"} == group.keys()
    assert {"id", "time", "reasons"} == group["keep"][0].keys()
    assert {"id", "time"} == group["remove"][0].keys()
    for part in (group["keep"], group["remove"]):
        times = [snapshot["time"] for snapshot in part]
        assert sorted(times, reverse=True) == times
    assert (2, 4) == (len(group["keep"]), len(group["remove"]))


def test_every_source_gives_the_same_plan(
    inside: Lab,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    policy = ("--keep-daily", "3")
    listed = inside.ask("snapshots", "--json")
    (tmp_path / "list").write_bytes(listed)
    (tmp_path / "groups").write_bytes(inside.ask("snapshots", "--json", "--group-by", "host"))
    expected = planned(told(capsys, "--repo", str(inside.repository), *policy))

    for name in ("list", "groups"):
        assert expected == planned(told(capsys, "--snapshots", str(tmp_path / name), *policy))
    ended = run("plan", "--snapshots", "-", "--json", *policy, stdin=listed)
    assert expected == planned(report(ended.stdout))
    monkeypatch.setenv("RESTIC_REPOSITORY", str(inside.repository))
    assert expected == planned(told(capsys, *policy))


def test_a_configuration_gives_policy_repository_and_zone(
    inside: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "verify.toml"
    example = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"
    file.write_text(
        example.read_text()
        .replace("/mnt/storage/restic", str(inside.repository))
        .replace("/mnt/keys/restic/password", str(inside.password_file))
    )
    inputs = told(capsys, "--config", str(file))["inputs"]

    assert "America/Los_Angeles" == inputs["timezone"]
    assert "--keep-daily=30 " in inputs["policy"]
    assert 12 == inputs["snapshots"]


def test_another_s_lock_does_not_stop_a_plan(
    inside: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("backup", "--stdin", "--host", "gamma")
    locks = inside.repository / "locks"
    with subprocess.Popen(
        [inside.restic, "--no-cache", "-r", str(inside.repository), *line],
        env=inside.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as holder:
        try:
            assert holder.stdin
            # More than a pipe holds: it is read once the lock is really had, and not before.
            holder.stdin.write(bytes(1 << 18))
            holder.stdin.flush()
            with pytest.raises(subprocess.CalledProcessError):
                inside.ask("forget", "--keep-daily", "3")
            policy = ("--keep-daily", "3")
            plan = told(capsys, "--repo", str(inside.repository), *policy)["plan"]
            assert ["alpha", "beta"] == [group["host"] for group in plan["groups"]]
            assert 1 == len(list(locks.iterdir()))
        finally:
            # Before its input is closed, which would make a snapshot.
            holder.kill()
            holder.wait()
            for lock in locks.iterdir():
                lock.unlink()


@pytest.mark.parametrize(
    ("changed", "where", "message"),
    [
        ({"RESTIC_PASSWORD_FILE": "{}/wrong"}, "repository", "wrong password"),
        ({"RESTIC_PASSWORD_FILE": "{}/absent"}, "repository", "absent does not exist"),
        ({}, "nowhere", "see that the location is right"),
        ({}, "source", "see that the location is right"),
    ],
)
def test_a_repository_that_does_not_open_says_why(
    changed: dict[str, str],
    where: str,
    message: str,
    inside: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = inside.password_file.parent
    (folder / "wrong").write_text("falsch\n")
    for name, value in changed.items():
        monkeypatch.setenv(name, value.format(folder))

    assert message in said(capsys, "--repo", str(folder / where), "--keep-daily", "3", code=3)


def test_the_secrets_of_a_location_are_masked(
    inside: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RESTIC_REPOSITORY", "rest:http://user:geheimnis@127.0.0.1:1/")
    err = said(capsys, "--keep-daily", "3", "--restic", str(_failing(inside)), code=3)

    assert "geheimnis" not in err


def _failing(lab: Lab) -> Path:
    # It repeats what it was told, as restic does.
    program = lab.password_file.with_name("failing")
    version = "echo restic 0.18.0 compiled with go1.24.2 on linux/amd64; exit 0"
    program.write_text(
        f'#!/bin/sh\n[ "$1" != version ] || {{ {version}; }}\n'
        'echo "Fatal: cannot open $RESTIC_REPOSITORY $*" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ((), "no policy was given"),
        (("--keep-daily", "3"), "there is nothing to plan for"),
        (("--keep-daily", "0", "--snapshots", "-"), "no rule of the policy keeps anything"),
        (("--keep-daily", "3", "--snapshots", "a", "--repo", "b"), "exclude each other"),
        (("--keep-daily", "unlimited", "--rules", "0.14.0", "--snapshots", "{}"), "no `unlimited`"),
        (("--keep-daily", "3", "--rules", "0.10", "--snapshots", "{}"), "older than 0.11.0"),
        (("--keep-daily", "3", "--rules", "newest", "--snapshots", "{}"), "is not a release"),
        (("--keep-daily", "3", "--group-by", "day", "--snapshots", "{}"), "unknown grouping"),
        (("--keep-daily", "3", "--timezone", "Europe/Berln", "--snapshots", "{}"), "Europe/Berlin"),
        (("--keep-daily", "3", "--now", "2024-03-01", "--snapshots", "{}"), "is no time with its"),
        (("--keep-daily", "3", "--now", "9999-12-31T23:00:00Z", "--snapshots", "{}"), "too far"),
        (("--keep-daily", "3", "--days-ahead", "0", "--snapshots", "{}"), "from 1 to 3660"),
        (("--keep-daily", "3", "--days-ahead", "3661", "--snapshots", "{}"), "from 1 to 3660"),
    ],
)
def test_a_slip_in_a_plan_is_told(
    line: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "snapshots.json"
    file.write_text('[{"id": "a", "time": "2024-01-01T04:00:00Z", "hostname": "web1"}]')

    assert message in said(capsys, *(word.format(file) for word in line), code=64)


@pytest.mark.parametrize("release", ["0.11", "0.12.1", "0.14.0", "0.16.0", "0.17.3", "0.19.1"])
def test_the_rules_of_every_release_can_be_asked_for(
    release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "snapshots.json"
    times = ("2023-02-01T04:00:00Z", "2023-01-01T04:00:00Z")
    listed = [{"id": at, "time": at, "hostname": "web1", "paths": ["/srv"]} for at in times]
    file.write_text(json.dumps(listed))
    line = ("--snapshots", str(file), "--keep-yearly", "2", "--rules", release)
    group = told(capsys, *line)["plan"]["groups"][0]

    keeps_oldest = release not in {"0.11", "0.12.1", "0.14.0"}
    assert 1 + keeps_oldest == len(group["keep"])


@pytest.mark.parametrize("text", ["", "null", "[]"])
def test_a_plan_for_nothing_is_unknown(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "snapshots.json"
    file.write_text(text)
    plan = told(capsys, "--snapshots", str(file), "--keep-daily", "3", code=3)

    assert ("UNKNOWN", ["empty"]) == (plan["verdict"], [f["kind"] for f in plan["findings"]])


def test_a_zone_of_the_environment_that_does_not_exist_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "snapshots.json").write_text("[]")
    monkeypatch.setenv("TZ", ":/etc/localtime")
    line = ("--snapshots", str(tmp_path / "snapshots.json"), "--keep-daily", "3")

    assert "give --timezone" in said(capsys, *line, code=64)
    told(capsys, *line, "--timezone", "UTC", code=3)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+10:00"])
def test_a_snapshot_at_the_end_of_the_calendar_is_named(
    time: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "snapshots.json"
    file.write_text(json.dumps([{"id": "abcdef0123456789", "time": time, "hostname": "web1"}]))
    line = ("--snapshots", str(file), "--keep-within", "1000y")

    assert "snapshot abcdef01: is dated" in said(capsys, *line, code=3)


def test_a_closed_input_is_told() -> None:
    script = '"$0" plan --snapshots - --keep-daily 3 --json <&-'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, SCRIPT], capture_output=True, check=False, timeout=LIMIT_S
    )

    assert 64 == ended.returncode
    assert b"standard input is closed" in ended.stderr
    assert "UNKNOWN" == report(ended.stdout)["verdict"]
