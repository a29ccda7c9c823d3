"""Real copies by `restic copy`, whole and with something amiss, against their repository."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drill.copies import Pair, bad, flip, kinds, rewrite
from verifier.drill.reach import FILES_NAMED
from verifier.reader.contents import check_packs
from verifier.reader.repository import Config, open_repository

LACKS_WEB1 = ("copy-lacks", "off-site web1")
LACKS_DB1 = ("copy-lacks", "off-site db1")


@pytest.fixture(scope="session")
def copied(restic_program: str, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A repository with its whole copy, to be copied before anything is damaged."""
    pair = Pair(tmp_path_factory.mktemp("copied"), restic_program)
    pair.make()
    pair.make_copy()
    return pair


@pytest.fixture
def pair(copied: Pair, tmp_path: Path) -> Pair:
    """The same, to be damaged."""
    shutil.copytree(copied.root, tmp_path / "pair")
    return Pair(tmp_path / "pair", copied.program)


def _is_all_there(pair: Pair, snapshots: int = 4) -> None:
    found = pair.compare_copy()

    assert () == found.findings
    assert (snapshots, snapshots) == (found.checked, found.total)
    assert (snapshots, 0) == (found.section["whole"], found.section["missed_blobs"])


def test_whole_copy_is_equal_though_ids_differ(copied: Pair) -> None:
    ours = {snapshot.id for snapshot in copied.opened().snapshots()}
    copy = open_repository(copied.copy, "of the copy")
    theirs = {snapshot.id for snapshot in copy.snapshots()}

    assert ours.isdisjoint(theirs)
    assert set(copied.opened().index.packs).isdisjoint(copy.index.packs)
    _is_all_there(copied)


@pytest.mark.heavy
@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("release", ["0.14.0", "0.18.0", "0.19.1"])
def test_copy_of_another_version_and_chunker_is_equal(
    release: str, version: str, restic_release: Callable[[str], Path], tmp_path: Path
) -> None:
    pair = Pair(tmp_path, str(restic_release(release)))
    pair.make(version)
    pair.make_copy("2")
    configs = [pair.opened().config, open_repository(pair.copy, "of the copy").config]

    assert all(isinstance(config, Config) for config in configs)
    assert 2 == len({getattr(config, "chunker_polynomial", "") for config in configs})
    _is_all_there(pair)


def test_section_names_the_newest_of_each_host(copied: Pair) -> None:
    hosts = copied.compare_copy().section["hosts"]

    newest = {host: copied.snapshots(host)[-1] for host in ("db1", "web1")}
    assert [
        {
            "host": host,
            "newest": snapshot.id,
            "newest_taken": snapshot.taken_at.isoformat(),
            "whole": snapshot.id,
            "whole_taken": snapshot.taken_at.isoformat(),
        }
        for host, snapshot in newest.items()
    ] == hosts


@pytest.mark.parametrize(
    ("day", "expected"),
    [(0, [LACKS_WEB1]), (1, [LACKS_WEB1]), (2, [("copy-lags", "off-site web1")])],
    ids=["oldest", "hole", "newest"],
)
def test_snapshot_that_the_copy_lacks_is_named(
    pair: Pair, day: int, expected: list[tuple[str, str]]
) -> None:
    absent = pair.snapshots()[day]
    pair.forget(absent, at=pair.copy)

    found = pair.compare_copy()

    assert expected == kinds(found)
    assert absent.short_id in found.findings[0].detail
    assert (3, 4) == (found.checked, found.total)


def test_what_came_after_the_copy_is_pending_until_it_is_late(pair: Pair) -> None:
    pair.backup("web1", 9)
    newest = pair.snapshots()[-1]
    made_at = newest.made_at or newest.taken_at

    on_time = pair.compare_copy(now=made_at)
    late = pair.compare_copy()
    pair.fill()

    assert [] == bad(on_time)
    assert 1 == on_time.section["pending"]
    assert [("copy-lags", "off-site web1")] == kinds(late)
    assert () == pair.compare_copy().findings


def test_host_that_the_copy_has_nothing_of_is_a_loss(pair: Pair) -> None:
    pair.forget(pair.snapshots("db1")[0], at=pair.copy)

    assert [LACKS_DB1] == kinds(pair.compare_copy())


def test_what_only_the_copy_keeps_is_no_alarm(pair: Pair) -> None:
    pair.forget(pair.snapshots()[0])

    found = pair.compare_copy()

    assert [("copy-extra", "off-site web1")] == kinds(found)
    assert [] == bad(found)
    assert (3, 3) == (found.checked, found.total)


def test_other_tree_under_the_same_label_differs(pair: Pair) -> None:
    snapshot, other = pair.snapshots()[1:]
    pair.forge(snapshot, tree=other.tree)

    found = pair.compare_copy()

    assert [("copy-differs", "off-site web1")] == kinds(found)
    assert other.tree == found.findings[0].evidence["copy_tree"]


def test_same_tree_sealed_anew_is_equal(pair: Pair) -> None:
    snapshot = pair.snapshots()[1]
    pair.forge(snapshot, tree=snapshot.tree)

    assert () == pair.compare_copy().findings


def test_every_missing_pack_names_what_is_lost(pair: Pair) -> None:
    for pack in pair.files("data"):
        content = pack.read_bytes()
        pack.unlink()

        found = pair.compare_copy()

        pack.write_bytes(content)
        assert found.findings
        assert {"copy-lacks"} == {finding.kind for finding in found.findings}
        for finding in found.findings:
            assert [pack.name] == finding.evidence["packs"]
            assert finding.evidence["lost"]
            assert str(finding.evidence["lost"][0]) in finding.detail  # type: ignore[index]
    _is_all_there(pair)


def test_file_added_last_is_lost_to_the_last_snapshot_alone(pair: Pair) -> None:
    before = set(pair.files("data"))
    pair.backup("web1", 9)
    pair.fill()
    _is_all_there(pair, 5)
    added = {path.name for path in set(pair.files("data")) - before}
    blobs = open_repository(pair.copy, "of the copy").blobs()
    (pack,) = {blob.pack for blob in blobs if blob.type == "data" and blob.pack in added}
    (pair.copy / "data" / pack[:2] / pack).unlink()

    (finding,) = pair.compare_copy().findings

    newest = pair.snapshots()[-1]
    assert ("copy-lacks", "off-site web1") == (finding.kind, finding.subject)
    assert newest.id == finding.evidence["snapshot"]
    assert [f"{newest.paths[0]}/web1-9"] == finding.evidence["lost"]


def test_truncated_pack_loses_what_was_behind_the_cut(pair: Pair) -> None:
    pack = max(pair.files("data"), key=lambda path: path.stat().st_size)
    rewrite(pack, pack.read_bytes()[:100])

    found = pair.compare_copy()

    assert {"copy-lacks"} == {finding.kind for finding in found.findings}
    assert [pack.name] == found.findings[0].evidence["packs"]


def test_pack_cut_behind_its_blobs_loses_no_file(pair: Pair) -> None:
    # What the index lists is all there; that the header is gone `check_packs` finds.
    pack = pair.files("data")[0]
    rewrite(pack, pack.read_bytes()[:-1])
    checks = check_packs(
        open_repository(pair.copy, "of the copy"), None, packs=[pack.name], read_data=True
    )

    assert () == pair.compare_copy().findings
    assert [pack.name] == [check.pack for check in checks if check.wounds]


def test_altered_pack_is_found_by_reading_it(pair: Pair) -> None:
    copy = open_repository(pair.copy, "of the copy")
    healthy = [check for check in check_packs(copy, None, read_data=True) if check.wounds]
    pack = pair.files("data")[0]
    flip(pack, at=30)

    wounded = [check for check in check_packs(copy, None, read_data=True) if check.wounds]

    assert ([], [pack.name]) == (healthy, [check.pack for check in wounded])


def test_missing_index_loses_what_it_listed(pair: Pair) -> None:
    for path in pair.files("index"):
        path.unlink()

    found = pair.compare_copy()

    assert {LACKS_WEB1, LACKS_DB1} == set(kinds(found))
    assert ["/"] == found.findings[0].evidence["lost"]
    assert [None, None] == [host["whole"] for host in found.section["hosts"]]  # type: ignore[attr-defined]


def test_altered_index_differs_and_lacks(pair: Pair) -> None:
    for path in pair.files("index"):
        flip(path)
    name = f"index/{pair.files('index')[0].name}"

    found = kinds(pair.compare_copy())

    assert ("copy-differs", f"off-site {name}") in found
    assert LACKS_WEB1 in found


def test_altered_snapshot_differs_and_is_absent(pair: Pair) -> None:
    (only,) = [s for s in open_repository(pair.copy, "of the copy").snapshots() if s.host == "db1"]
    flip(pair.copy / "snapshots" / only.id)

    assert [("copy-differs", f"off-site snapshots/{only.id}"), LACKS_DB1] == kinds(
        pair.compare_copy()
    )


def test_damage_of_the_repository_is_no_fault_of_the_copy(pair: Pair) -> None:
    for pack in (pair.primary / "data").rglob("*"):
        if pack.is_file():
            flip(pack, at=30)

    assert () == pair.compare_copy().findings


def test_lost_files_are_bounded_and_counted(pair: Pair) -> None:
    folder = pair.live / "many"
    folder.mkdir()
    for number in range(FILES_NAMED + 10):
        (folder / f"{number:03}").write_bytes(b"all alike")
    pair.backup("web1", 7)
    pair.fill()
    alike = hashlib.sha256(b"all alike").hexdigest()
    (blob,) = open_repository(pair.copy, "of the copy").index.find(alike)
    (pair.copy / "data" / blob.pack[:2] / blob.pack).unlink()

    (finding,) = [f for f in pair.compare_copy().findings if f.kind == "copy-lacks"]

    lost = finding.evidence["lost"]
    assert isinstance(lost, list)
    assert FILES_NAMED == len(lost)
    assert FILES_NAMED + 11 == finding.evidence["lost_count"]
