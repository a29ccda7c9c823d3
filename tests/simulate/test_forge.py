"""Forged repositories are real to the real restic."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.core.errors import CannotVerify, NoKeyOpens, ResticFailed
from verifier.core.host import Command, Completed
from verifier.core.snapshot import Snapshot, parse_snapshot
from verifier.fleet.local import LocalHost
from verifier.reader.repository import open_repository
from verifier.simulate.forge import Forge, cheapen, make_repository, render_snapshot

PASSWORD = "forged"
LOS_ANGELES = timezone(timedelta(hours=-8))
KATHMANDU = timezone(timedelta(hours=5, minutes=45))


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("restic")
    if found is None:
        pytest.fail("restic is not on PATH: these tests ask the real program, install it first")
    return found


@pytest.fixture(scope="module")
def template(program, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("template") / "repository"
    make_repository(root, PASSWORD, LocalHost(), program)
    return root


@pytest.fixture
def repository(template, tmp_path) -> Path:
    root = tmp_path / "repository"
    shutil.copytree(template, root)
    return root


def ask(program: str, root: Path, *arguments: str) -> Completed:
    argv = (program, "--no-cache", "-r", str(root), *arguments)
    return LocalHost().run(Command(argv, env={"RESTIC_PASSWORD": PASSWORD}))


def answer(program: str, root: Path, *arguments: str) -> bytes:
    done = ask(program, root, *arguments)

    assert done.status == 0, done.stderr.decode()

    return done.stdout


def listed(program: str, root: Path) -> dict[str, Snapshot]:
    stored = json.loads(answer(program, root, "snapshots", "--no-lock", "--json"))
    return {snapshot["id"]: parse_snapshot(snapshot) for snapshot in stored}


def days(count: int, host: str = "web1") -> list[Snapshot]:
    start = datetime(2024, 2, 20, 4, 0, tzinfo=LOS_ANGELES)
    return [
        Snapshot(f"{host}-{day}", start + timedelta(days=day), host, ("/etc", "/srv"), ("daily",))
        for day in range(count)
    ]


def test_template_holds_a_tree_and_no_snapshot(program, template):
    assert listed(program, template) == {}
    assert len(list((template / "keys").iterdir())) == 1


def test_forged_snapshots_read_back_as_they_are(program, repository):
    forged = [
        *days(3),
        Snapshot("utc", datetime(2024, 1, 1, 20, tzinfo=UTC), "höst", ("/a b",), ()),
        Snapshot("odd", datetime(2024, 1, 1, 0, 0, 0, 123456, KATHMANDU), "", (), ("x", "a")),
    ]
    ids = Forge(repository, PASSWORD).write(forged)
    found = listed(program, repository)

    assert set(ids.values()) == set(found)
    for snapshot in forged:
        back = found[ids[snapshot.id]]

        assert snapshot.taken_at == back.taken_at
        assert snapshot.taken_at.utcoffset() == back.taken_at.utcoffset()
        assert snapshot.hour == back.hour
        assert (snapshot.host, snapshot.paths, snapshot.tags) == (back.host, back.paths, back.tags)


def test_reader_and_restic_read_the_same_forgery(program, repository):
    Forge(repository, PASSWORD).write(days(3))
    found = listed(program, repository)

    assert set(found.values()) == set(open_repository(repository, PASSWORD).snapshots())


def test_time_of_making_survives_in_the_file(repository):
    made_at = datetime(2024, 3, 1, 12, tzinfo=UTC)
    snapshot = Snapshot("late", datetime(2020, 1, 1, tzinfo=UTC), "h", (), made_at=made_at)
    Forge(repository, PASSWORD).write([snapshot])
    (back,) = open_repository(repository, PASSWORD).snapshots()

    assert made_at == back.made_at


def test_forget_decides_on_forged_snapshots(program, repository):
    ids = Forge(repository, PASSWORD).write([*days(10), *days(5, "web2")])
    options = ("forget", "--dry-run", "--no-lock", "--json", "--keep-daily", "3")
    groups = json.loads(answer(program, repository, *options))
    kept = {group["host"]: [snapshot["id"] for snapshot in group["keep"]] for group in groups}

    assert kept == {
        "web1": [ids["web1-9"], ids["web1-8"], ids["web1-7"]],
        "web2": [ids["web2-4"], ids["web2-3"], ids["web2-2"]],
    }


def test_check_passes_on_forged_snapshots(program, repository):
    Forge(repository, PASSWORD).write(days(3))
    answer(program, repository, "check", "--no-lock")


def test_forged_snapshots_restore(program, repository, tmp_path):
    (file_id,) = Forge(repository, PASSWORD).write(days(1)).values()
    answer(program, repository, "restore", file_id, "--target", str(tmp_path / "target"))

    assert [path.name for path in (tmp_path / "target").rglob("*") if path.is_file()] == ["file"]


def test_removed_and_replaced_snapshots_are_gone(program, repository):
    forge = Forge(repository, PASSWORD)
    ids = forge.write(days(3))
    forge.remove([ids["web1-0"]])

    assert set(listed(program, repository)) == {ids["web1-1"], ids["web1-2"]}

    ids = forge.replace_all(days(1, "web2"))

    assert set(listed(program, repository)) == {ids["web2-0"]}


def test_equal_snapshots_become_two_files(program, repository):
    forge = Forge(repository, PASSWORD)
    (first,) = forge.write(days(1)).values()
    (second,) = forge.write(days(1)).values()

    assert set(listed(program, repository)) == {first, second}


@pytest.mark.heavy  # restic init measures the machine before it makes a key
@pytest.mark.parametrize("version", ["1", "2"])
def test_cheapened_key_opens_the_same_repository(program, tmp_path, version):
    answer(program, tmp_path / "r", "init", "--repository-version", version)
    before = open_repository(tmp_path / "r", PASSWORD).keys
    cheapen(tmp_path / "r", PASSWORD)

    assert before == open_repository(tmp_path / "r", PASSWORD).keys
    assert json.loads(answer(program, tmp_path / "r", "cat", "config"))["version"] == int(version)

    (key,) = (tmp_path / "r" / "keys").iterdir()

    assert json.loads(key.read_bytes())["N"] == 2


def test_wrong_password_cheapens_nothing(repository):
    before = {key.name for key in (repository / "keys").iterdir()}
    with pytest.raises(NoKeyOpens):
        cheapen(repository, "wrong")

    assert before == {key.name for key in (repository / "keys").iterdir()}


def test_cheapened_key_still_needs_its_password(repository):
    with pytest.raises(NoKeyOpens):
        open_repository(repository, "wrong")


@pytest.mark.heavy
def test_repository_without_a_tree_cannot_be_forged_upon(program, tmp_path):
    answer(program, tmp_path / "r", "init")
    with pytest.raises(CannotVerify, match="no tree"):
        Forge(tmp_path / "r", PASSWORD)


def test_failed_init_is_an_error_without_the_password(program, repository):
    with pytest.raises(ResticFailed) as error:
        make_repository(repository, "secret-word", LocalHost(), program)

    assert "secret-word" not in str(error.value)


@given(
    at=st.datetimes(
        timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
    ),
    host=st.text(st.characters(codec="utf-8"), max_size=8),
    paths=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=3).map(tuple),
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_rendered_snapshots_parse_back(at, host, paths):
    snapshot = Snapshot("one", at, host, paths, tree="t" * 64)
    rendered = json.loads(render_snapshot(snapshot, snapshot.tree))
    back = parse_snapshot({**rendered, "id": "one"})

    assert snapshot == back
    assert snapshot.hour == back.hour
