"""The monthly drill against real repositories, healthy and broken: every fault has its twin.

Goal: each kind is found where it is so, and nowhere else. Method: a tree is backed up by the real
restic, something is done to it or to the repository, and the kinds of all paths are compared as
a whole: one kind too many turns a test red as surely as one too few.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drill.lab import HOST, Lab, counts
from verifier.core.errors import HostUnreachable, NoKeyOpens
from verifier.core.finding import Verdict
from verifier.core.host import Command, Completed
from verifier.core.report import conclude
from verifier.core.snapshot import Snapshot
from verifier.core.tree import Node
from verifier.drill.monthly import Drilled
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository

LONG = 1_000_000


def fill(live: Path) -> None:
    """Make one of everything that a file system has and restic backs up."""
    (live / "d/deep/er").mkdir(parents=True)
    (live / "d/deep/er/file").write_bytes(b"deep")
    (live / "empty").touch()
    (live / "empty-dir").mkdir()
    (live / "big").write_bytes(os.urandom(3 * LONG))
    (live / "secret").write_bytes(b"s")
    (live / "secret").chmod(0o4751)
    os.chown(live / "secret", 1234, 4321)
    (live / "no-rights").mkdir()
    (live / "no-rights/in").write_bytes(b"in")
    (live / "no-rights/in").chmod(0)
    (live / "no-rights").chmod(0)
    (live / "link").symlink_to("big")
    (live / "dangling").symlink_to("/nowhere/\u00e4")
    os.mkfifo(live / "pipe", 0o640)
    (live / "twin").hardlink_to(live / "big")
    with (live / "sparse").open("wb") as sparse:
        sparse.truncate(5 * LONG)
    os.setxattr(live / "empty", "user.note", b"\0\xff")
    (live / "new\nline \u65e5\u672c").write_bytes(b"n")
    for name in (b"\xff\xfe", b"\xfd\xfe", b"a\xe2\x82b"):
        Path(os.fsdecode(bytes(live) + b"/" + name)).write_bytes(name)
    os.utime(live / "empty-dir", ns=(1, 1_234_567_891))


def verdict(found: Drilled) -> Verdict:
    """Return the verdict of a report made of it."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    return conclude(
        "monthly", found.findings, found.coverage, started_at=at, finished_at=at, tool={}
    ).verdict


def test_a_healthy_backup_of_everything_is_identical(lab: Lab) -> None:
    fill(lab.live)
    lab.backup()
    found = lab.drill()

    assert found.findings == ()
    assert {"identical"} == counts(found).keys()
    assert 1 + sum(1 for _ in lab.live.rglob("*")) == counts(found)["identical"]
    assert found.coverage.checked == found.coverage.total
    assert Verdict.OK is verdict(found)


def test_what_happened_since_the_backup_is_told_apart(lab: Lab) -> None:
    names = "edited sneaked gone chmodded touched replaced typed same moved_from"
    lab.write(**{name: name.encode() for name in names.split()}, dir__x=b"x", dir__y=b"y")
    live = lab.live
    (live / "link").symlink_to("same")
    (live / "attr").touch()
    lab.backup()
    (live / "edited").write_bytes(b"other")
    before = (live / "sneaked").stat()
    (live / "sneaked").write_bytes(b"SNEAKED")
    os.utime(live / "sneaked", ns=(before.st_atime_ns, before.st_mtime_ns))
    (live / "gone").unlink()
    (live / "chmodded").chmod(0o600)
    os.utime(live / "touched")
    (live / "typed").unlink()
    (live / "typed").mkdir()
    (live / "link").unlink()
    (live / "link").symlink_to("gone")
    os.setxattr(live / "attr", "user.k", b"v")
    (live / "new").touch()
    (live / "moved_from").rename(live / "moved_to")
    shutil.rmtree(live / "dir")
    found = lab.drill()
    expected = {
        "/": "changed",
        "/edited": "changed",
        "/sneaked": "changed-mtime-kept",
        "/gone": "deleted",
        "/chmodded": "changed",
        "/touched": "changed",
        "/typed": "changed",
        "/link": "changed",
        "/attr": "changed",
        "/new": "added",
        "/moved_from": "deleted",
        "/moved_to": "added",
        "/dir": "deleted",
        "/dir/x": "deleted",
        "/dir/y": "deleted",
    }

    assert expected == lab.kinds(found)
    assert counts(found)["identical"] == 2
    assert Verdict.WARNING is verdict(found)


def test_a_mistaken_exclude_leaves_files_missing(lab: Lab) -> None:
    lab.write(kept=b"k", photo_jpg=b"p", a_tmp=b"t", cache__x=b"x", cache__deep__y=b"y")
    lab.backup()
    lab.restic("forget", "--prune", "-q", "latest")
    lab.backup(exclude=["*_jpg", "*_tmp", "cache"])
    rules = ["*_tmp", "cache"]

    assert lab.kinds(lab.drill(exclude=rules)) == {
        "/photo_jpg": "missing",
        "/a_tmp": "excluded",
        "/cache": "excluded",
    }
    assert lab.kinds(lab.drill(exclude=[*rules, "*_jpg"])) == {
        "/a_tmp": "excluded",
        "/cache": "excluded",
        "/photo_jpg": "excluded",
    }


def test_a_directory_that_was_moved_in_is_added_with_all_it_holds(lab: Lab, tmp_path: Path) -> None:
    lab.write(a=b"a")
    elsewhere = tmp_path / "elsewhere/deep"
    elsewhere.mkdir(parents=True)
    (elsewhere / "old").write_bytes(b"old")
    lab.backup()
    elsewhere.parent.rename(lab.live / "moved")
    found = lab.drill()

    assert lab.kinds(found) == {
        "/": "changed",
        "/moved": "added",
        "/moved/deep": "added",
        "/moved/deep/old": "added",
    }


def damage(lab: Lab, *, at_least: int = 0, at_most: int = 1 << 40, delete: bool = False) -> None:
    """Flip one bit of the one pack of that size, or remove it."""
    packs = [p for p in (lab.repository / "data").rglob("*") if p.is_file()]
    (pack,) = [p for p in packs if at_least <= p.stat().st_size <= at_most]
    if delete:
        pack.unlink()
        return
    content = bytearray(pack.read_bytes())
    content[100] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)


def test_a_flipped_bit_in_a_pack_loses_its_files_and_no_others(lab: Lab) -> None:
    lab.write(a=os.urandom(300_000))
    lab.backup()
    lab.write(b=os.urandom(50_000))
    lab.backup()
    assert lab.drill().findings == ()
    damage(lab, at_least=200_000)
    found = lab.drill()

    assert lab.kinds(found) == {"/a": "lost"}
    assert counts(found) == {"identical": 2, "lost": 1}
    (damage_found,) = [f for f in found.findings if f.subject.startswith("data/")]
    assert "lost" == damage_found.kind
    assert f"{lab.live}/a of snapshot" in damage_found.detail
    assert [0] == damage_found.evidence["offsets"]
    assert Verdict.CRITICAL is verdict(found)


def test_a_lost_file_is_lost_although_the_live_one_is_gone(lab: Lab) -> None:
    lab.write(a=os.urandom(300_000), b=b"b")
    lab.backup()
    (lab.live / "a").unlink()
    damage(lab, at_least=200_000)

    assert lab.kinds(lab.drill()) == {"/": "changed", "/a": "lost"}


def test_a_flipped_bit_in_a_tree_loses_the_snapshot(lab: Lab) -> None:
    lab.write(a=os.urandom(300_000))
    lab.backup()
    damage(lab, at_most=200_000)
    found = lab.drill()

    assert {"/": "lost"} == lab.kinds(found)
    assert {"lost"} == set(lab.damages(found))


def test_a_pack_that_is_gone_loses_its_files(lab: Lab) -> None:
    lab.write(a=os.urandom(300_000))
    lab.backup()
    damage(lab, at_least=200_000, delete=True)

    assert lab.kinds(lab.drill()) == {"/a": "lost"}


class Rotten(Repository):
    """A repository whose trees say that live files have not been touched since: name -> ctime."""

    def __init__(self, of: Repository, ctimes: Mapping[str, int]) -> None:
        super().__init__(of.storage, of.keys)
        self._ctimes = ctimes

    def tree(self, tree_id: str) -> tuple[Node, ...] | Damage:
        nodes = super().tree(tree_id)
        assert not isinstance(nodes, Damage)
        return tuple(replace(n, ctime_ns=self._ctimes.get(n.name, n.ctime_ns)) for n in nodes)


def test_content_that_differs_under_its_recorded_ctime_is_corrupted(lab: Lab) -> None:
    """No program can set a ctime to keep, so the recorded one is set to the live one instead."""
    lab.write(a=b"as it was", b=b"b")
    lab.backup()
    before = (lab.live / "a").stat()
    lab.write(a=b"as it is!")
    os.utime(lab.live / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    rotten = Rotten(lab.open(), {"a": (lab.live / "a").stat().st_ctime_ns})
    found = lab.drill(repository=rotten)

    assert lab.kinds(lab.drill()) == {"/a": "changed-mtime-kept"}
    assert lab.kinds(found) == {"/a": "corrupted"}
    assert 0 == found.findings[0].evidence["first_offset"]
    assert {"identical": 2, "corrupted": 1} == counts(found)


def test_a_host_without_snapshots_is_empty(lab: Lab) -> None:
    lab.write(a=b"a")
    lab.backup(host="another")
    found = lab.drill()

    assert [(f.kind, f.subject) for f in found.findings] == [("empty", HOST)]
    assert Verdict.UNKNOWN is verdict(found)


def test_a_snapshot_of_no_file_is_empty(lab: Lab) -> None:
    lab.backup()

    assert {f.subject: f.kind for f in lab.drill().findings} == {HOST: "empty"}


def test_an_include_that_matches_nothing_is_empty(lab: Lab) -> None:
    lab.write(a=b"a", b__c=b"c")
    lab.backup()
    live = str(lab.live)
    include = (live, f"{live}/b", f"{live}/typo", f"{lab.root}/elsewhere")
    found = lab.drill(include=include)

    assert {f"{HOST}:{live}/typo": "empty", f"{HOST}:{lab.root}/elsewhere": "empty"} == {
        f.subject: f.kind for f in found.findings
    }


def test_an_include_that_no_snapshot_holds_is_missing(lab: Lab) -> None:
    lab.write(a__x=b"x", b__y=b"y")
    lab.backup(f"{lab.live}/a")
    lab.restic("forget", "-q", "latest")
    lab.backup(f"{lab.live}/a")
    include = (f"{lab.live}/a", f"{lab.live}/b")

    assert lab.kinds(lab.drill(include=include)) == {"/b": "missing", "/b/y": "missing"}
    assert lab.drill(include=include[:1]).findings == ()


@pytest.mark.parametrize("paths", [["d"], ["."], ["d/e"], ["../live/d"], ["d", "f"], ["d/e", "f"]])
def test_relative_paths_find_their_live_files(lab: Lab, paths: list[str]) -> None:
    lab.write(d__e__x=b"x", d__y=b"y", f=b"f")
    lab.backup(*paths, cwd=lab.live)
    include = tuple(os.path.normpath(lab.live / path) for path in paths)
    assert lab.drill(include=include).findings == ()
    lab.write(d__e__x=b"changed", f=b"F")
    found = lab.kinds(lab.drill(include=include))
    holds_f = {".", "f"} & set(paths)

    assert {"/d/e/x": "changed", **({"/f": "changed"} if holds_f else {})} == found


def test_every_current_group_of_a_host_is_drilled(lab: Lab) -> None:
    lab.write(a__x=b"x", b__y=b"y", c__z=b"z")
    old = "2020-01-01 00:00:00"
    lab.restic("backup", "-q", f"--host={HOST}", f"--time={old}", f"{lab.live}/c")
    lab.backup(f"{lab.live}/a")
    lab.backup(f"{lab.live}/b")
    lab.write(a__x=b"1", b__y=b"2")
    found = lab.drill(include=())

    assert lab.kinds(found) == {"/a/x": "changed", "/b/y": "changed"}
    assert list(found.coverage.skipped.values()) == [1]


def test_the_newest_snapshot_of_a_group_is_the_one(lab: Lab) -> None:
    lab.write(a=b"a")
    lab.backup()
    lab.write(a=b"b")
    lab.backup()

    assert lab.drill().findings == ()


class Dead:
    """A host that never answers."""

    name = "dead"

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        raise HostUnreachable(self.name, "no route to host", "switch it on")


def test_a_host_that_cannot_be_reached_does_not_stop_the_others(lab: Lab) -> None:
    lab.write(a=b"a")
    lab.backup()
    lab.backup(host="dead")
    found = lab.drill(lab.target("dead", host=Dead()), lab.target())

    assert [(f.kind, f.subject) for f in found.findings] == [("could-not-verify", "dead")]
    assert counts(found) == {"identical": 2}
    assert Verdict.UNKNOWN is verdict(found)


def test_a_wrong_password_is_said_before_anything_is_looked_at(lab: Lab) -> None:
    with pytest.raises(NoKeyOpens):
        lab.open("wrong")


def test_a_live_tree_may_stand_elsewhere(lab: Lab) -> None:
    lab.write(a=b"a", b=b"b")
    lab.backup()
    copy = lab.root / "mounted"
    shutil.copytree(lab.live, f"{copy}{lab.live}", copy_function=shutil.copy2)
    Path(f"{copy}{lab.live}/b").write_bytes(b"c")

    assert lab.kinds(lab.drill(source_root=str(copy))) == {"/b": "changed"}
    assert lab.drill().findings == ()


class BackDated(Repository):
    """A repository whose snapshots were made with `--time`, and say when they really were."""

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return them as restic 0.17 and newer tell them."""
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        found = Repository.snapshots(self)
        return tuple(replace(s, taken_at=long_ago, made_at=s.taken_at) for s in found)


def test_a_back_dated_snapshot_is_judged_by_when_it_was_made(lab: Lab) -> None:
    lab.write(kept=b"k", forgotten=b"f")
    lab.backup()
    lab.restic("forget", "-q", "latest")
    lab.backup(exclude=["forgotten"])
    opened = lab.open()
    back_dated = BackDated(opened.storage, opened.keys)

    assert lab.kinds(lab.drill(repository=back_dated)) == {"/forgotten": "missing"}


def test_one_hosts_restored_files_are_not_the_next_ones(lab: Lab) -> None:
    lab.write(a=b"a", only_here=b"o")
    lab.backup(host="other")
    (lab.live / "only_here").unlink()
    lab.backup()
    found = lab.drill(lab.target("other"), lab.target())

    assert [f.kind for f in found.findings if f.subject.startswith(HOST)] == []
    assert counts(found) == {"changed": 1, "deleted": 1, "identical": 3}


def test_scratch_space_below_a_live_tree_is_passed_over(lab: Lab) -> None:
    lab.write(a=b"a", scratch__note=b"n")
    lab.backup()
    below = lab.live / "scratch"
    here, there = lab.target(), lab.target(is_local=False)

    assert lab.kinds(lab.drill(here, scratch=below)) == {"/scratch": "changed"}
    assert {"added"} < set(lab.kinds(lab.drill(there, scratch=below)).values())
