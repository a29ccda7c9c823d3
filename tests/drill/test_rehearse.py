"""The restore rehearsal with real restic: what comes back is judged, and every fault has its twin.

Goal: whatever a file system holds comes back as recorded, by three releases of restic; and what
does not is named. Method: restic's answer is spoilt between the restore and the look, by a program
that stands in its place and runs the real one first.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.drill.stage import HOST, Stage, new_stage, only
from verifier.core.errors import NoSpace, ResticFailed
from verifier.drill.rehearse import Asked, Rehearsal, rehearse
from verifier.drill.special import ZEROS, ZEROS_BYTES

pytestmark = pytest.mark.heavy

RELEASES = ("0.14.0", "0.18.0", "0.19.1")

NAMES = (
    rb"plain",
    rb"star*x",
    rb"starAx",
    rb"q?",
    rb"qA",
    rb"br[ab]",
    rb"bra",
    rb"back\slash",
    rb"[",
    rb"]",
    rb"**",
    b"new\nline",
    b"\xff\xfe",
    b"\xff*\xfe",
    b"\xe2\x82",
    b"trail ",
    b" lead",
    b"-dash",
    b"!bang",
    b"$HOME",
    b"a,b",
    b"#hash",
    b'"quoted"',
    b"~t",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b"tab\t",
)


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Stage]:
    """Return a function that makes a stage in a folder, for a restic program."""
    made: dict[str, Path] = {}

    def make(root: Path, program: str) -> Stage:
        if program not in made:
            made[program] = new_stage(tmp_path_factory.mktemp("empty"), program).repository
        return new_stage(root, program, lambda: made[program])

    return make


@pytest.fixture
def stage(
    stages: Callable[[Path, str], Stage], restic_release: Callable[[str], Path], tmp_path: Path
) -> Stage:
    """A stage of a release that knows sparse files."""
    return stages(tmp_path, str(restic_release("0.19.1")))


def fill(live: Path) -> None:
    """Make one of everything that a file system has and restic backs up."""
    (live / "d*/deep").mkdir(parents=True)
    (live / "d*/deep/f").write_bytes(b"deep")
    (live / "empty").touch()
    (live / "empty-dir").mkdir()
    os.setxattr(live / "empty-dir", "user.x", b"1")
    (live / "closed").write_bytes(b"in")
    (live / "closed").chmod(0)
    (live / "link").symlink_to("big")
    (live / "dangling").symlink_to("/nowhere/\u00e4")
    os.mkfifo(live / "pipe", 0o640)
    (live / "big").write_bytes(os.urandom(3_000_000))
    (live / "twin").hardlink_to(live / "big")
    with (live / "sparse").open("wb") as sparse:
        sparse.write(b"x")
        sparse.truncate(20 << 20)
    os.setxattr(live / "empty", "user.note", b"\0\xff")
    os.utime(live / "empty-dir", ns=(1, 1_234_567_891))
    os.utime(live / "big", ns=(1, 1_234_567_891))
    if os.geteuid() == 0:
        (live / "secret").write_bytes(b"s")
        (live / "secret").chmod(0o4751)
        os.chown(live / "secret", 1234, 4321)
        os.mknod(live / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        acl = "0200000001000600ffffffff02000400e803000004000400ffffffff"
        acl += "10000400ffffffff20000400ffffffff"
        os.setxattr(live / "d*/deep/f", "system.posix_acl_access", bytes.fromhex(acl))


@pytest.mark.parametrize("release", RELEASES)
def test_everything_comes_back_as_recorded(
    stages: Callable[[Path, str], Stage],
    restic_release: Callable[[str], Path],
    tmp_path: Path,
    release: str,
) -> None:
    stage = stages(tmp_path, str(restic_release(release)))
    fill(stage.live)
    stage.backup()
    found = stage.rehearse()

    assert found.findings == ()
    assert found.section["counts"] == {"identical": found.total}
    assert found.total == sum(1 for path in stage.live.rglob("*")) - 2, "but for d* and d*/deep"
    assert found.section["restic"] == release
    assert "holes: this restic or file system makes none" not in found.skipped or release < "0.15"


@pytest.mark.parametrize("release", RELEASES)
def test_any_name_is_restored_and_no_other(
    stages: Callable[[Path, str], Stage],
    restic_release: Callable[[str], Path],
    tmp_path: Path,
    release: str,
) -> None:
    stage = stages(tmp_path, str(restic_release(release)))
    for name in NAMES:
        Path(os.fsdecode(bytes(stage.live) + b"/" + name)).write_bytes(name)
    stage.backup()
    every = stage.sample()
    source, snapshot = stage.source, stage.record().snapshot

    assert stage.rehearse(sample=every).section["counts"] == {"identical": len(NAMES)}

    for one in every.entries:
        target = stage.root / "one"
        source.restore(snapshot, target, include=[[one.entry.path]])

        assert list(target.rglob("*"))[-1:] == [Path(f"{target}{one.entry.path}")]

        shutil.rmtree(target)


def test_zeros_are_cut_as_they_are_looked_for(stage: Stage) -> None:
    with (stage.live / "sparse").open("wb") as sparse:
        sparse.truncate(4 * ZEROS_BYTES)
    stage.backup()
    recorded = {one.entry.path: one.content for one in stage.recorded()}

    assert recorded[f"{stage.live}/sparse"] == (ZEROS,) * 4


def spoilt(stage: Stage, *lines: str) -> Stage:
    """Return a stage whose restic restores and then does as the lines say, in the live folder."""
    script = stage.root / "spoilt-restic"
    verbs = "\n".join(lines)
    script.write_text(
        f"""#!/bin/sh
{stage.program} "$@" || exit
case " $* " in *" restore "*)
cd "{stage.scratch}/rehearsed{stage.live}" || exit
{verbs}
esac
"""
    )
    script.chmod(0o755)
    return replace(stage, program=str(script))


SPOILT = {
    "byte": ("printf x | dd of=file bs=1 seek=100 conv=notrunc 2>&-; touch -d @5 file", "lost"),
    "cut": ("truncate -s 99 file; touch -d @5 file", "lost"),
    "gone": ("rm file", "lost"),
    "other-type": ("rm file; mkdir file", "lost"),
    "mode": ("chmod 600 file", "metadata"),
    "time": ("touch -d @6 file", "metadata"),
    "attribute": ("setfattr -x user.k file 2>&- || python3 -c 'import os; "
                  "os.removexattr(\"file\", \"user.k\")'", "metadata"),
    "target": ("ln -sfn elsewhere link; touch -hd @5 link", "metadata"),
    "hard-link": ("cp -p file copy; rm twin; mv copy twin", "metadata"),
    "one-more": ("echo more > one-more", "metadata"),
    "nothing": ("true", ""),
}  # fmt: skip


@pytest.mark.parametrize(("line", "kind"), SPOILT.values(), ids=SPOILT)
def test_what_does_not_come_back_is_named(stage: Stage, line: str, kind: str) -> None:
    file = stage.live / "file"
    file.write_bytes(os.urandom(200_000))
    os.setxattr(file, "user.k", b"v")
    (stage.live / "twin").hardlink_to(file)
    (stage.live / "link").symlink_to("file")
    for name in ("file", "link"):
        os.utime(stage.live / name, (5, 5), follow_symlinks=False)
    stage.backup()
    found = spoilt(stage, line).rehearse()

    assert {finding.kind for finding in found.findings} == ({kind} if kind else set())


def test_filled_holes_are_named(stage: Stage) -> None:
    with (stage.live / "sparse").open("wb") as sparse:
        sparse.truncate(20 << 20)
    os.utime(stage.live / "sparse", (5, 5))
    stage.backup()
    fill_in = "cp --sparse=never -p sparse filled && mv filled sparse"

    assert stage.kinds(stage.rehearse()) == {}
    assert stage.kinds(spoilt(stage, fill_in).rehearse()) == {"sparse": "metadata"}


def test_damaged_data_is_lost_and_the_rest_comes_back(stage: Stage) -> None:
    (stage.live / "good").write_bytes(os.urandom(100_000))
    stage.backup()
    before = set((stage.repository / "data").rglob("*"))
    (stage.live / "bad").write_bytes(os.urandom(100_000))
    stage.backup()
    packs = [
        path for path in set((stage.repository / "data").rglob("*")) - before if path.is_file()
    ]
    pack = max(packs, key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    content[5_000] ^= 1
    pack.write_bytes(content)
    found = stage.rehearse()

    assert stage.kinds(found) == {"bad": "lost"}
    assert found.section["counts"] == {"identical": 1, "lost": 1}


def test_relative_backup_is_rehearsed_by_its_places_on_the_host(stage: Stage) -> None:
    (stage.live / "d").mkdir()
    (stage.live / "d/file").write_bytes(b"canary")
    stage.backup("d", cwd=stage.live)
    known = hashlib.sha256(b"canary").hexdigest()
    found = stage.rehearse(canaries={f"{stage.live}/d/file": known})

    assert found.findings == ()
    assert found.section["counts"] == {"identical": 1}


def test_canaries_are_held_against_what_is_known_of_them(stage: Stage) -> None:
    (stage.live / "canary").write_bytes(b"canary")
    (stage.live / "scrambled").write_bytes(b"canary?")
    (stage.live / "link").symlink_to("canary")
    stage.backup()
    known = hashlib.sha256(b"canary").hexdigest()
    canaries = {f"{stage.live}/{name}": known for name in ("canary", "scrambled", "link", "gone")}
    found = stage.rehearse(canaries=canaries)

    assert stage.kinds(found) == {name: "canary-changed" for name in ("scrambled", "link", "gone")}


def test_canary_larger_than_the_sample_is_no_canary_seen(stage: Stage) -> None:
    (stage.live / "canary").write_bytes(b"canary" * 100)
    (stage.live / "small").write_bytes(b"small")
    stage.backup()
    canaries = {f"{stage.live}/canary": "0" * 64}
    sample = stage.sample(canaries=canaries, budget_bytes=100)
    found = stage.rehearse(canaries=canaries, sample=sample)

    assert stage.kinds(found) == {"canary": "could-not-verify"}


def test_figures_are_those_of_what_was_restored(stage: Stage) -> None:
    for number in range(30):
        (stage.live / f"file{number}").write_bytes(bytes([number]) * 1000)
    stage.backup()
    found = stage.rehearse(sample=stage.sample(budget_bytes=10_000))
    section, larger = found.section, "larger than what was left of its budget"

    assert found.skipped[f"restore sample: {larger}"] == 20
    assert section["files"] == 10
    assert section["bytes"] == 10_000
    assert section["of_entries"] == 31
    assert isinstance(section["duration_s"], float)
    assert isinstance(section["bytes_per_s"], int)
    assert section["duration_s"] > 0
    assert section["bytes_per_s"] > 0


def test_more_files_than_one_call_takes_come_back(stage: Stage) -> None:
    for number in range(600):
        (stage.live / f"file{number}").write_bytes(b"%d" % number)
    for number in range(300):
        (stage.live / f"twin{number}").hardlink_to(stage.live / "file7")
    stage.backup()
    found = stage.rehearse()

    assert found.findings == ()
    assert found.section["counts"] == {"identical": 900}


def test_nothing_to_restore_is_never_ok(stage: Stage) -> None:
    stage.backup()
    found = stage.rehearse(sample=only(stage.sample()))

    assert [finding.kind for finding in found.findings] == ["empty"]
    assert found.total == 0


def test_sample_that_does_not_fit_is_not_restored(stage: Stage) -> None:
    (stage.live / "file").write_bytes(b"x" * 10_000)
    stage.backup()
    stage.scratch.mkdir()
    rehearsal = Rehearsal(stage.source, stage.here, stage.scratch, budget_bytes=5_000)

    with pytest.raises(NoSpace):
        rehearse(rehearsal, stage.record(), stage.sample(), Asked(HOST))

    assert list(stage.scratch.iterdir()) == []


def test_restore_that_cannot_be_tried_is_an_error_and_leaves_nothing(stage: Stage) -> None:
    (stage.live / "file").write_bytes(b"x")
    stage.backup()
    record, sample = stage.record(), stage.sample()
    snapshot = next((stage.repository / "snapshots").iterdir())
    snapshot.unlink()

    with pytest.raises(ResticFailed):
        stage.rehearse(record=record, sample=sample)

    assert list(stage.scratch.iterdir()) == []
