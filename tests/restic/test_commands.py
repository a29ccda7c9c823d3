"""The arguments restic is given, and what is never among them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from verifier.core.host import Command
from verifier.core.policy import UNLIMITED, Policy
from verifier.restic import commands
from verifier.restic.commands import Access, Filter

ACCESS = Access(
    "/repo", password="hunter2", env={"AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_REGION": "x"}
)

READS: dict[str, Callable[[], Command]] = {
    "cat config": lambda: commands.cat_config("restic", ACCESS),
    "snapshots": lambda: commands.snapshots("restic", ACCESS),
    "ls": lambda: commands.ls("restic", ACCESS, "latest"),
    "stats": lambda: commands.stats("restic", ACCESS, "raw-data"),
    "check": lambda: commands.check("restic", ACCESS),
    "restore": lambda: commands.restore("restic", ACCESS, "latest", "/t"),
    "forget": lambda: commands.forget("restic", ACCESS, Policy(last=1), ("host",), dry_run=True),
}
WRITES: dict[str, Callable[[], Command]] = {
    "init": lambda: commands.init("restic", ACCESS),
    "backup": lambda: commands.backup("restic", ACCESS, ["/etc"], host="web1"),
    "forget": lambda: commands.forget("restic", ACCESS, Policy(last=1), ("host",), dry_run=False),
    "prune": lambda: commands.prune("restic", ACCESS),
    "unlock": lambda: commands.unlock("restic", ACCESS),
}


@pytest.mark.parametrize("make", READS.values(), ids=READS)
def test_reading_writes_no_lock(make: Callable[[], Command]) -> None:
    assert "--no-lock" in make().argv


@pytest.mark.parametrize("make", WRITES.values(), ids=WRITES)
def test_writing_takes_its_lock(make: Callable[[], Command]) -> None:
    assert "--no-lock" not in make().argv


@pytest.mark.parametrize("make", [*READS.values(), *WRITES.values()])
def test_the_password_is_never_an_argument(make: Callable[[], Command]) -> None:
    command = make()

    assert "hunter2" not in " ".join(command.argv)
    assert "hunter2" == command.env["RESTIC_PASSWORD"]
    assert {"hunter2", "s3cret"} <= set(command.secrets)


def test_an_access_shows_no_secret() -> None:
    assert "hunter2" not in repr(ACCESS)
    assert "s3cret" not in repr(ACCESS)


def test_a_password_in_the_location_stays_in_the_environment() -> None:
    command = commands.snapshots("restic", Access("rest:https://jak:pa55@backup.example.org/r"))

    assert not any("pa55" in argument for argument in command.argv)
    assert command.env["RESTIC_REPOSITORY"].startswith("rest:https://jak:pa55@")
    assert "pa55" in command.secrets


def test_one_password_silences_the_inherited_others() -> None:
    env = Access("/repo", password_file="/keys/p").environment()

    assert ("", "/keys/p", "") == (
        env["RESTIC_PASSWORD"],
        env["RESTIC_PASSWORD_FILE"],
        env["RESTIC_PASSWORD_COMMAND"],
    )


def test_no_password_leaves_the_inherited_ones() -> None:
    assert not any("PASSWORD" in name for name in Access("/repo").environment())


def test_an_inherited_host_never_narrows_a_call() -> None:
    assert "" == Access("/repo").environment()["RESTIC_HOST"]


def test_forget_spells_the_policy_as_restic_does() -> None:
    policy = Policy(daily=30, yearly=UNLIMITED, tags=(("a", "b"), ("",)))
    command = commands.forget("restic", ACCESS, policy, ("host", "paths"), dry_run=True)

    assert (
        "forget",
        "--json",
        "--dry-run",
        "--group-by=host,paths",
        "--keep-daily=30",
        "--keep-yearly=unlimited",
        "--keep-tag=a,b",
        "--keep-tag=",
    ) == command.argv[command.argv.index("forget") :]


def test_one_group_is_spelled_as_an_empty_text() -> None:
    assert "--group-by=" in commands.forget("restic", ACCESS, Policy(last=1), (), dry_run=True).argv


def test_a_filter_spells_every_dimension() -> None:
    wanted = Filter(hosts=("web1", ""), paths=("/etc",), tags=("a,b",))

    assert ("--host=web1", "--host=", "--path=/etc", "--tag=a,b") == wanted.options()


def test_names_that_look_like_options_are_names() -> None:
    backup = commands.backup("restic", ACCESS, ["--delete"], host="-x")

    assert ("--", "--delete") == backup.argv[-2:]
    assert "--host=-x" in backup.argv


def test_an_included_path_is_no_pattern() -> None:
    command = commands.restore("restic", ACCESS, "latest", "/t", include=["/a*[b]?\\c"])

    assert r"--include=/a\*\[b]\?\\c" in command.argv


def test_an_included_name_keeps_its_bytes() -> None:
    command = commands.restore("restic", ACCESS, "latest", "/t", include=["/\udcff\n "])

    assert "--include=/\udcff\n " in command.argv


def test_holes_are_restored_where_that_is_asked_for() -> None:
    plain, sparse = (
        commands.restore("restic", ACCESS, "latest", "/t", include=["/a"], sparse=asked)
        for asked in (False, True)
    )

    assert "--sparse" not in plain.argv
    assert "--sparse" in sparse.argv[: sparse.argv.index("--")]
