"""`restic-verify init`: a first configuration from a real repository, and from a list."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.cli.console import environment, report, run
from tests.retention.test_guess import EXAMPLE, NEW, made, survivors
from verifier.cli.main import main
from verifier.cli.render import all_files
from verifier.config.defaults import PROBE, defaults
from verifier.config.load import load, parse
from verifier.config.models import Config
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.fleet.local import LocalHost
from verifier.simulate.forge import Forge, make_repository

PASSWORD = "the password of this repository"


def listed(
    snapshots: Sequence[Snapshot], everything: Sequence[Snapshot] = (), **more: object
) -> list[dict[str, Any]]:
    """Return snapshots as `restic snapshots --json` prints them."""
    before = {later.id: sooner.id for sooner, later in pairwise(everything)}
    return [
        {
            "id": s.id,
            "time": s.taken_at.isoformat(),
            "hostname": s.host,
            "paths": list(s.paths),
            "tags": list(s.tags),
            "parent": before.get(s.id),
            **more,
        }
        for s in snapshots
    ]


def written(folder: Path, stored: list[dict[str, Any]], *options: str) -> tuple[str, Config]:
    """Write a configuration from a list; return its text, and what it says."""
    (folder / "snapshots.json").write_text(json.dumps(stored))
    output = folder / "verify.toml"
    words = ("--snapshots", str(folder / "snapshots.json"), "--output", str(output), *options)
    assert 0 == main(["init", *words])
    return output.read_text(), load(output, {"RESTIC_REPOSITORY": "/r"})


def host(name: str, policy: Policy = EXAMPLE, days: int = 400, **more: Any) -> list[dict[str, Any]]:
    """Return what is left of a host's snapshots."""
    everything = made(days, host=name)
    return listed(survivors(everything, policy, NEW), everything, **more)


def test_hosts_schedule_and_policy_are_found(tmp_path: Path) -> None:
    stored = host("web1", excludes=["*.tmp", "/home/*/.cache"], username="backup")
    text, config = written(tmp_path, stored + host("db1", username="root"))

    assert ["db1", "web1"] == [table.name for table in config.hosts]
    assert ("/etc", "/srv") == config.hosts[0].include
    assert ("*.tmp", "/home/*/.cache") == config.host("web1").exclude
    assert ("restic", "backup") == (config.host("db1").user, config.host("web1").user)
    assert "Root ran restic there." in text
    assert "let it not be a person's" in text.replace("\n# ", " ")
    assert (("04:00",), "America/Los_Angeles") == (config.times, config.schedule.timezone)
    assert (30, 12) == (config.policy().daily, config.policy().monthly)
    assert max(map(len, text.splitlines())) <= 100
    assert "# [offsite]" in text


def test_probes_right_to_read_is_there_to_be_taken(tmp_path: Path) -> None:
    """Where only restic may read everything, a drill without it finds all of it unreadable."""
    text, config = written(tmp_path, host("web1"))
    taken = parse(text.replace("# become", "become"), "verify.toml", {"RESTIC_REPOSITORY": "/r"})

    assert () == config.hosts[0].become
    assert PROBE == taken.hosts[0].become
    assert f"hosts/web1{PROBE[-1]}" in all_files(defaults())


def test_other_lists_of_paths_and_hosts_of_old_are_comments(tmp_path: Path) -> None:
    moved = [
        {**one, "paths": ["/etc"] if n > 20 else ["/etc", "/srv"]}
        for n, one in enumerate(host("web1"))
    ]
    old = listed(made(30, host="old1"))
    text, config = written(tmp_path, moved + old)

    assert [("web1", ("/etc", "/srv"))] == [(t.name, t.include) for t in config.hosts]
    assert '# include = ["/etc"]' in text
    assert "# Not backed up since 2024-01-30 04:00-08:00:" in text
    assert '# name = "old1"' in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hostname": "my laptop"}, "cannot stand here: its name"),
        ({"paths": ["C:\\Users"]}, "not of full paths"),
        ({"paths": ["/a\udcff"]}, "not of full paths"),
        ({"paths": []}, "not of full paths"),
    ],
)
def test_what_cannot_stand_in_the_file_is_told(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    odd = [{**one, **change} for one in host("odd")]
    text, config = written(tmp_path, host("web1") + odd)

    assert ["web1"] == [table.name for table in config.hosts]
    assert said in text


def test_names_cannot_become_settings(tmp_path: Path) -> None:
    """Paths hold quotes and line breaks, and so does a host that is a comment."""
    evil = '/x"]\npassword-command = "rm'
    stored = [{**one, "paths": [evil], "excludes": [evil, "[a"]} for one in host("web1")]
    named = [{**one, "hostname": 'h\n[repository]\nlocation="x'} for one in host("odd")]
    text, config = written(tmp_path, stored + named)

    assert ((evil,), (evil,)) == (config.hosts[0].include, config.hosts[0].exclude)
    assert config.repository.password_command is None
    assert "Left out, since restic would refuse them: '[a'" in text


def test_where_nothing_was_removed_everything_is_kept(tmp_path: Path) -> None:
    text, config = written(tmp_path, host("web1", days=20))

    assert ("--keep-last=unlimited",) == config.policy().options()
    assert "nothing shows that a snapshot was ever removed" in text.replace("\n# ", " ")


@pytest.mark.parametrize(("days", "sure"), [(1, False), (6, False), (7, True), (100, True)])
def test_schedule_is_sure_from_a_week_of_runs_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: int, sure: bool
) -> None:
    text, _ = written(tmp_path, host("web1", days=days), "--json")
    (times, *_) = report(capsys.readouterr().out)["guesses"]
    said = text.replace("\n# ", " ")

    assert ("schedule.times", "04:00", sure) == (times["about"], times["value"], times["sure"])
    assert f"[schedule] Guessed ({'sure' if sure else 'not sure'}): 100% of the snap" in said
    assert (f"of no more than {days} run" in said) is not sure


def test_snapshots_of_one_run_are_one(tmp_path: Path) -> None:
    stored = host("web1", days=5)
    other = [{**one, "id": f"0{one['id']}", "paths": ["/var"]} for one in stored]
    text, _ = written(tmp_path, stored + other)

    assert "of no more than 5 runs" in text.replace("\n# ", " ")


def test_one_snapshot_is_in_the_singular(tmp_path: Path) -> None:
    text, _ = written(tmp_path, host("web1", days=1))

    assert "from 1 snapshot of 1 host." in text.replace("\n# ", " ")


def test_tags_are_told_and_not_guessed(tmp_path: Path) -> None:
    text, _ = written(tmp_path, host("web1", tags=["pinned"]))

    assert '# keep-tag = ["pinned"]' in text


def test_a_file_that_is_there_stays_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = host("web1")
    written(tmp_path, stored)
    (tmp_path / "verify.toml").write_text("mine")
    words = ["init", f"--snapshots={tmp_path}/snapshots.json", f"--output={tmp_path}/verify.toml"]

    assert 64 == main(words)
    assert "--force" in capsys.readouterr().err
    assert "mine" == (tmp_path / "verify.toml").read_text()
    assert "schema = 1" in written(tmp_path, stored, "--force")[0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--snapshots", "/no/such/file"], 64),
        (["--snapshots", "/dev/null"], 3),
        (["--snapshots", "/dev/null", "--repo", "/r"], 64),
        ([], 64),
        (["--repo", "/no/such/repository"], 3),
    ],
)
def test_nothing_to_begin_from_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)

    assert code == main(["init", *words])
    assert [] == list(tmp_path.iterdir())


@pytest.mark.heavy
def test_standard_output_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text(json.dumps(host("web1")))
    plain = run("init", "--snapshots", "snapshots.json", "--output=-", cwd=tmp_path)
    told = run("init", "--snapshots", "snapshots.json", "--json", cwd=tmp_path)
    guesses = report(told.stdout)["guesses"]

    assert (0, 0) == (plain.returncode, told.returncode)
    assert plain.stdout.decode() == (tmp_path / "verify.toml").read_text()
    assert ["schedule.times", "schedule.timezone", "retention"] == [g["about"] for g in guesses]


@pytest.mark.heavy
def test_a_real_repository_is_begun_from(tmp_path: Path, restic_program: str) -> None:
    """Forged snapshots of 300 days, which the real restic forgets; then its own answer is read.

    The policy that is found removes nothing when the real restic goes by it.
    """
    repository = tmp_path / "repository"
    make_repository(repository, PASSWORD, LocalHost(), restic_program)
    zone = ZoneInfo("Europe/Berlin")
    Forge(repository, PASSWORD).write(
        replace(s, id=f"{s.host}{n}", taken_at=s.taken_at + timedelta(0))
        for name in ("web1", "db1")
        for n, s in enumerate(made(300, host=name, zone=zone))
    )
    (tmp_path / "password").write_text(PASSWORD)
    env = environment(
        RESTIC_REPOSITORY=str(repository), RESTIC_PASSWORD_FILE=str(tmp_path / "password")
    )
    keep = ("--keep-daily=10", "--keep-weekly=6", "--keep-monthly=8")
    forget = (restic_program, "--no-cache", "forget", "-q", *keep)
    subprocess.run(forget, env=env, check=True)
    done = run("init", "--repo=repository", cwd=tmp_path, env=env)
    config = load(tmp_path / "verify.toml", env)

    assert (0, b"") == (done.returncode, done.stderr)
    assert str(repository) == config.repository.location
    assert ["db1", "web1"] == [table.name for table in config.hosts]
    assert (("04:00",), "Europe/Berlin") == (config.times, config.schedule.timezone)
    assert (10, 6) == (config.policy().daily, config.policy().weekly)
    # Nothing tells whether there were months before the oldest snapshot.
    assert "keep-monthly = 12  # 8 or more" in (tmp_path / "verify.toml").read_text()
    assert str(tmp_path / "password") == config.repository.password_file
    again = (
        restic_program,
        "--no-cache",
        "forget",
        "--dry-run",
        "--json",
        *config.policy().options(),
    )
    answer = subprocess.run(again, env=env, check=True, capture_output=True)
    assert all(not group["remove"] for group in json.loads(answer.stdout))


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_keeps_what_was_there(
    tmp_path: Path, full_disk: Callable[[str], Path], force: bool
) -> None:
    (tmp_path / "snapshots.json").write_text(json.dumps(host("web1")))
    disk = full_disk("16k")
    output = disk / "verify.toml"
    if force:
        output.write_text("the old one\n")
    (disk / "fill").write_bytes(bytes(16384 - 4096 * force))
    options = [f"--output={output}", *(["--force"] if force else [])]
    failed = run("init", "--snapshots", str(tmp_path / "snapshots.json"), *options)
    left = sorted(path.name for path in disk.iterdir())
    (disk / "fill").unlink()

    assert 3 == failed.returncode
    assert b"cannot be written: No space left" in failed.stderr
    assert ["fill", *["verify.toml"] * force] == left
    assert not force or output.read_text() == "the old one\n"
    assert 0 == run("init", "--snapshots", str(tmp_path / "snapshots.json"), *options).returncode
    assert output.read_text().startswith("# A first configuration")


def test_a_password_file_is_found_from_where_restic_stands(tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").write_text(json.dumps(host("web1")))
    env = environment(RESTIC_PASSWORD_FILE="pw")
    done = run("init", "--snapshots", "snapshots.json", cwd=tmp_path, env=env)
    config = load(tmp_path / "verify.toml", {"RESTIC_REPOSITORY": "/r"})

    assert (0, b"") == (done.returncode, done.stderr)
    assert str(tmp_path / "pw") == config.repository.password_file
