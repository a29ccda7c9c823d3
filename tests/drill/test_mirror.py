"""Real mirrors by `rclone sync`, whole, stale or with something amiss, beside the repository."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.drill.copies import MAX_LAG, NOW, Pair, bad, flip, kinds, rewrite
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import Sshd, ssh_path, sshd
from verifier.core.host import Command
from verifier.drill.mirror import KINDS, compare_mirror
from verifier.fleet.local import LocalHost
from verifier.reader.contents import check_packs
from verifier.reader.location import open_storage
from verifier.reader.repository import Repository
from verifier.reader.storage import Folder

__all__ = ("s3_server", "ssh_path", "sshd")

LACKS_WEB1 = ("copy-lacks", "off-site web1")


@pytest.fixture(scope="session")
def synced(restic_program: str, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A repository with its mirror as of now, to be copied before anything is damaged."""
    pair = Pair(tmp_path_factory.mktemp("synced"), restic_program)
    pair.make()
    pair.sync()
    return pair


@pytest.fixture
def pair(synced: Pair, tmp_path: Path) -> Pair:
    """The same, to be damaged."""
    shutil.copytree(synced.root, tmp_path / "pair")
    return Pair(tmp_path / "pair", synced.program)


def _files(pair: Pair) -> Any:
    return pair.compare_mirror().section["files"]


def test_mirror_of_now_is_equal(synced: Pair) -> None:
    found = synced.compare_mirror()

    assert () == found.findings
    assert (4, 4, 4) == (found.checked, found.total, found.section["whole"])
    assert {"absent": 0, "both": 4, "extra": 0} == _files(synced)["snapshots"]
    assert list(KINDS) == list(_files(synced))


def test_locks_say_nothing(pair: Pair) -> None:
    (pair.primary / "locks" / ("0" * 64)).write_bytes(b"")

    assert () == pair.compare_mirror().findings


def test_stale_mirror_lags_and_lacks_nothing(pair: Pair) -> None:
    oldest, *_, newest = pair.snapshots()
    pair.restic("forget", oldest.id)
    pair.backup("web1", 9)
    pair.restic("prune", "--max-unused=0")
    late = pair.snapshots()[-1]

    found = pair.compare_mirror()

    assert [("copy-lags", "off-site web1")] == [(f.kind, f.subject) for f in bad(found)]
    assert newest.short_id in bad(found)[0].detail
    assert late.short_id in bad(found)[0].detail
    assert (3, 4, 3) == (found.checked, found.total, found.section["whole"])
    assert _files(pair)["data"]["absent"] > 0
    assert _files(pair)["data"]["extra"] > 0
    pair.sync()
    assert () == pair.compare_mirror().findings


def test_mirror_may_lag_a_while(pair: Pair) -> None:
    pair.backup("web1", 9)
    newest = pair.snapshots()[-1]
    made_at = newest.made_at or newest.taken_at

    on_time = pair.compare_mirror(now=made_at + MAX_LAG)
    late = pair.compare_mirror(now=made_at + MAX_LAG + timedelta(seconds=1))

    assert [] == bad(on_time)
    assert [("copy-lags", "off-site web1")] == [(f.kind, f.subject) for f in bad(late)]


def test_old_packs_of_the_mirror_are_counted(pair: Pair) -> None:
    pair.backup("web1", 9)
    pair.sync()
    pair.restic("forget", pair.snapshots()[-1].id)
    pair.restic("prune", "--max-unused=0")

    found = pair.compare_mirror()

    assert [] == bad(found)
    assert ("copy-extra", "off-site web1") in kinds(found)
    assert _files(pair)["data"]["extra"] > 0


def test_missing_pack_names_snapshots_and_files(pair: Pair) -> None:
    for pack in pair.files("data"):
        content = pack.read_bytes()
        pack.unlink()

        found = pair.compare_mirror()

        pack.write_bytes(content)
        assert found.findings
        assert {"copy-lacks"} == {finding.kind for finding in found.findings}
        assert [pack.name] == found.findings[0].evidence["packs"]
        assert found.findings[0].evidence["lost"]
    assert () == pair.compare_mirror().findings


def test_truncated_pack_differs_and_lacks(pair: Pair) -> None:
    pack = pair.files("data")[0]
    rewrite(pack, pack.read_bytes()[:50])

    found = pair.compare_mirror()

    assert ("copy-differs", f"off-site data/{pack.name[:2]}/{pack.name}") == kinds(found)[0]
    assert {"copy-lacks"} == {finding.kind for finding in found.findings[1:]}


def test_pack_that_is_cut_in_the_repository_lacks_nothing_in_the_mirror(pair: Pair) -> None:
    name = pair.files("data")[0].relative_to(pair.copy)
    rewrite(pair.primary / name, (pair.primary / name).read_bytes()[:50])

    assert [("copy-differs", f"off-site {name}")] == kinds(pair.compare_mirror())


def test_altered_pack_of_equal_size_is_found_by_reading_it(pair: Pair) -> None:
    mirror = Repository(Folder(pair.copy), pair.opened().keys)
    healthy = [check.pack for check in check_packs(mirror, None, read_data=True) if check.wounds]
    pack = pair.files("data")[0]
    flip(pack, at=30)

    wounded = [check.pack for check in check_packs(mirror, None, read_data=True) if check.wounds]

    assert ([], [pack.name]) == (healthy, wounded)
    assert () == pair.compare_mirror().findings


@pytest.mark.parametrize("kind", ["index", "snapshots", "keys"])
def test_altered_small_file_differs(pair: Pair, kind: str) -> None:
    path = pair.files(kind)[0]
    flip(path)

    found = pair.compare_mirror()

    assert ("copy-differs", f"off-site {kind}/{path.name}") in kinds(found)


def test_missing_index_lacks_what_it_listed(pair: Pair) -> None:
    for path in pair.files("index"):
        path.unlink()

    assert {LACKS_WEB1, ("copy-lacks", "off-site db1")} == set(kinds(pair.compare_mirror()))


def test_mirror_without_a_key_opens_with_no_password(pair: Pair) -> None:
    for path in pair.files("keys"):
        path.unlink()

    assert [("copy-lacks", "off-site keys")] == kinds(pair.compare_mirror())


@pytest.mark.heavy
def test_new_key_is_late_and_a_removed_one_still_opens(pair: Pair) -> None:
    old = set((pair.primary / "keys").iterdir())
    (pair.root / "password").write_text("another")
    pair.restic("key", "add", "--new-password-file", str(pair.root / "password"))
    (new,) = set((pair.primary / "keys").iterdir()) - old
    late = kinds(pair.compare_mirror())
    pair.sync()
    healthy = kinds(pair.compare_mirror())
    new.unlink()

    revoked = pair.compare_mirror()

    assert ([("copy-lags", "off-site keys")], []) == (late, healthy)
    assert [("copy-extra", "off-site keys")] == kinds(revoked)
    assert [] == bad(revoked)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("missing", "copy-lacks"), ("altered", "copy-differs"), ("none", "")],
)
def test_config_is_compared(pair: Pair, fault: str, expected: str) -> None:
    config = pair.copy / "config"
    if fault == "missing":
        config.unlink()
    elif fault == "altered":
        flip(config)

    assert [(expected, "off-site config")] * bool(expected) == kinds(pair.compare_mirror())


def test_empty_mirror_lacks_everything(pair: Pair) -> None:
    shutil.rmtree(pair.copy)
    pair.copy.mkdir()

    found = pair.compare_mirror()

    subjects = {"off-site config", "off-site keys", "off-site web1", "off-site db1"}
    assert {("copy-lacks", subject) for subject in subjects} == set(kinds(found))
    assert 0 == found.checked


@pytest.mark.heavy
def test_mirror_on_s3_is_judged_as_one_on_disk(pair: Pair, s3_server: S3Server) -> None:
    remote = {
        "RCLONE_CONFIG_CLOUD_TYPE": "s3",
        "RCLONE_CONFIG_CLOUD_PROVIDER": "Other",
        "RCLONE_CONFIG_CLOUD_ENDPOINT": s3_server.url,
        "RCLONE_CONFIG_CLOUD_ACCESS_KEY_ID": s3_server.key,
        "RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY": s3_server.secret,
    }
    _rclone("sync", "--exclude", "/locks/**", str(pair.primary), "cloud:mirror/web", env=remote)
    mirror = open_storage(s3_server.location("mirror/web"), s3_server.environ)
    pack = pair.files("data")[0]
    name = pack.relative_to(pair.copy)

    whole = compare_mirror(pair.opened(), mirror, now=NOW, max_lag=MAX_LAG)
    _rclone("deletefile", f"cloud:mirror/web/{name}", env=remote)
    mirror = open_storage(s3_server.location("mirror/web"), s3_server.environ)
    torn = compare_mirror(pair.opened(), mirror, now=NOW, max_lag=MAX_LAG)
    pack.unlink()

    assert () == whole.findings
    assert replace(pair.compare_mirror(), section={}) == replace(torn, section={})
    assert {"copy-lacks"} == {kind for kind, _ in kinds(torn)}


@pytest.mark.heavy
def test_mirror_over_sftp_is_judged_as_one_on_disk(pair: Pair, sshd: Sshd, ssh_path: str) -> None:
    mirror = open_storage(sshd.location(pair.copy), {**os.environ, "PATH": ssh_path})
    whole = compare_mirror(pair.opened(), mirror, now=NOW, max_lag=MAX_LAG)
    pair.files("data")[0].unlink()

    mirror = open_storage(sshd.location(pair.copy), {**os.environ, "PATH": ssh_path})
    torn = compare_mirror(pair.opened(), mirror, now=NOW, max_lag=MAX_LAG)

    assert () == whole.findings
    assert replace(pair.compare_mirror(), section={}) == replace(torn, section={})
    assert {"copy-lacks"} == {kind for kind, _ in kinds(torn)}


def _rclone(*arguments: str, env: dict[str, str]) -> None:
    # rclone 1.60.1 fails where this variable is set.
    done = LocalHost().run(Command(("env", "-u", "AWS_CA_BUNDLE", "rclone", *arguments), env=env))

    assert done.status == 0, done.stderr
