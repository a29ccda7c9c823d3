"""What applications say of restored files: each broken file is refused, its whole twin accepted.

Goal: a probe can fail, and fails for nothing else. Method: one whole file a kind is made by the
program that it belongs to, and then damaged in one way.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from tests.drill.stage import Stage, new_stage
from tests.drill.unprivileged import NOBODY, as_nobody
from verifier.core.errors import ToolMissing
from verifier.core.host import Command, Completed
from verifier.drill import applications
from verifier.drill.applications import ACCEPTED, PER_PROBE, REFUSED, UNDECIDED, Application, judge
from verifier.drill.weigh import AS_BACKED_UP, UNFAITHFUL, weigh
from verifier.drill.wholeness import check_sqlite
from verifier.fleet.local import LocalHost

TEXT = b"".join(b"line %d of the text\n" % number for number in range(20_000))


def ask(work: Path, file: Path, *applications: Application) -> list[tuple[str, str]]:
    """Return what applications say of one file: their names and verdicts."""
    folder = work / "folder-of-the-check"
    folder.mkdir(exist_ok=True)
    said = judge([(f"/live/{file.name}", file)], applications, LocalHost(), folder)
    return [(one.application.name, one.verdict) for one in said]


def database(path: Path, journal: str = "delete") -> sqlite3.Connection:
    """Make a database of some pages, and leave it open."""
    base = sqlite3.connect(path)
    base.execute(f"PRAGMA journal_mode = {journal}")
    base.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    base.executemany("INSERT INTO t (text) VALUES (?)", [(f"row {n}" * 20,) for n in range(500)])
    base.commit()
    return base


def tar(mode: str = "w", kind: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive with names and sizes that take more than plain headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=kind) as archive:  # type: ignore[call-overload]
        for name, size in (("short", 1000), ("l" * 300, 70_000), ("\u00e4", 0), ("full", 512)):
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.LNKTYPE, "short"
        archive.addfile(link)
    return buffer.getvalue()


def tar_v7() -> bytes:
    """Return an archive of two members as tar wrote it before there was a standard."""
    found = bytearray(10_240)
    for at in (0, 512):
        header = bytearray(512)
        header[:6], header[100:136] = b"member", b"0000644\0" * 3 + b"00000000000\0"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        found[at : at + 512] = header
    return bytes(found)


def zipped(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of two members, one of them compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("stored", TEXT[:5_000])
        archive.writestr("compressed", TEXT, method)
    return buffer.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    """Return the content with one bit of one byte the other way."""
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def cut(content: bytes, by: int = 20) -> bytes:
    """Return the content without its end."""
    return content[:-by]


def zeroed(content: bytes, start: int = 8192, length: int = 4096) -> bytes:
    """Return the content with a page of zeros in it, as a lost write leaves it."""
    return content[:start] + bytes(length) + content[start + length :]


def made_database() -> bytes:
    """Return the bytes of a database."""
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
    base.executemany("INSERT INTO t (text) VALUES (?)", [(f"row {n}" * 20,) for n in range(500)])
    base.commit()
    return base.serialize()


GZIP, XZ, BZ2 = gzip.compress(TEXT), lzma.compress(TEXT), bz2.compress(TEXT)
ZSTD = zstandard.ZstdCompressor(write_checksum=True).compress(TEXT)
TAR, TAR_GNU, ZIP, SQLITE = tar(), tar(kind=tarfile.GNU_FORMAT), zipped(), made_database()
JSON = json.dumps({"list": list(range(100)), "text": "\u00e4"}).encode()
EMPTY_TAR = bytes(10_240)
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0size"
XML = b'<?xml version="1.0"?><a><b c="d">text &amp; more</b></a>'

WHOLE = {
    "a.sqlite": ("sqlite", SQLITE),
    "no-name": ("sqlite", SQLITE),
    "a.gz": ("archive", GZIP),
    "two-members.gz": ("archive", GZIP + GZIP),
    "a.xz": ("archive", XZ),
    "a.bz2": ("archive", BZ2),
    "a.zst": ("archive", ZSTD),
    "two-frames.zst": ("archive", ZSTD + ZSTD),
    "a.tar": ("archive", TAR),
    "v7.tar": ("archive", tar_v7()),
    "empty.tar": ("archive", EMPTY_TAR),
    "padded.xz": ("archive", XZ + bytes(4) + XZ + bytes(8)),
    "parallel.zst": ("archive", SKIPPABLE + ZSTD),
    "starts-itself.jar": ("archive", b"#!/bin/sh\nexit\n" + ZIP),
    "digits.json": ("json", b"[-" + b"1" * 5_000 + b"]"),
    "gnu.tar": ("archive", TAR_GNU),
    "a.tar.gz": ("archive", gzip.compress(TAR)),
    "a.tar.zst": ("archive", zstandard.compress(TAR)),
    "a.zip": ("archive", ZIP),
    "a.docx": ("archive", ZIP),
    "a.json": ("json", JSON),
    "bom.json": ("json", b"\xef\xbb\xbf" + JSON),
    "a.xml": ("xml", XML),
}

BROKEN = {
    "page.sqlite": ("sqlite", zeroed(SQLITE)),
    "header.sqlite": ("sqlite", flipped(SQLITE, 17)),
    "cut.sqlite": ("sqlite", cut(SQLITE, 8192)),
    "flipped.gz": ("archive", flipped(GZIP, len(GZIP) // 2)),
    "sum.gz": ("archive", flipped(GZIP, len(GZIP) - 6)),
    "cut.gz": ("archive", cut(GZIP)),
    "zeros.gz": ("archive", bytes(1000)),
    "flipped.xz": ("archive", flipped(XZ, len(XZ) // 2)),
    "cut.xz": ("archive", cut(XZ)),
    "flipped.bz2": ("archive", flipped(BZ2, len(BZ2) // 2)),
    "cut.bz2": ("archive", cut(BZ2)),
    "flipped.zst": ("archive", flipped(ZSTD, len(ZSTD) // 2)),
    "cut.zst": ("archive", cut(ZSTD)),
    "second-frame.zst": ("archive", ZSTD + cut(ZSTD)),
    "first-header.tar": ("archive", flipped(TAR, 1)),
    "later-header.tar": ("archive", flipped(TAR, 512 + 1024 + 30)),
    "cut.tar": ("archive", TAR[:4096]),
    "no-end.tar": ("archive", TAR[: 512 + 1024]),
    "gnu-header.tar": ("archive", flipped(TAR_GNU, 512 + 1024 + 512 + 512 + 20)),
    "inner.tar.gz": ("archive", gzip.compress(TAR[:4096])),
    "outer.tar.gz": ("archive", flipped(gzip.compress(TAR), len(gzip.compress(TAR)) - 6)),
    "content.zip": ("archive", flipped(ZIP, 200)),
    "cut.zip": ("archive", cut(ZIP)),
    "bzip2.zip": ("archive", flipped(zipped(zipfile.ZIP_BZIP2), 6_000)),
    "v7-header.tar": ("archive", flipped(tar_v7(), 600)),
    "between.xz": ("archive", XZ + b"more"),
    "middle.zip": ("archive", ZIP[:3000] + ZIP[3100:]),
    "cut.json": ("json", cut(JSON, 5)),
    "bytes.json": ("json", JSON + b"\xff"),
    "cut.xml": ("xml", cut(XML, 5)),
    "entity.xml": ("xml", XML.replace(b"&amp;", b"&nothing;")),
}


@pytest.mark.parametrize(("name", "made"), WHOLE.items(), ids=WHOLE)
def test_whole_file_is_accepted(tmp_path: Path, name: str, made: tuple[str, bytes]) -> None:
    (tmp_path / name).write_bytes(made[1])

    assert [(made[0], ACCEPTED)] == ask(tmp_path, tmp_path / name)


@pytest.mark.parametrize(("name", "made"), BROKEN.items(), ids=BROKEN)
def test_broken_file_is_refused(tmp_path: Path, name: str, made: tuple[str, bytes]) -> None:
    (tmp_path / name).write_bytes(made[1])

    assert [(made[0], REFUSED)] == ask(tmp_path, tmp_path / name)


def test_archive_of_no_length_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")

    assert [] == ask(tmp_path, tmp_path / "a.tar")
    assert [("archive", REFUSED)] == ask(
        tmp_path, tmp_path / "a.tar", Application(("*",), "archive")
    )


def test_every_cut_of_an_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.tar"
    found = set()
    for length in range(512, len(TAR) - 10_240 - 512, 16_384):
        file.write_bytes(TAR[:length])
        found.update(ask(tmp_path, file))

    assert found == {("archive", REFUSED)}


ENTRY = b"PK\x01\x02\x14\x03\x14"
LONG = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)


def long_window() -> bytes:
    """Return what `zstd --long=30` writes of a stream: it wants a gigabyte to be unpacked."""
    packer = zstandard.ZstdCompressor(compression_params=LONG).compressobj()
    return packer.compress(TEXT) + packer.flush()


def with_dictionary() -> bytes:
    """Return a frame that names a dictionary which is not in it."""
    trained = zstandard.train_dictionary(1_000, [b"row %d" % n * 9 for n in range(1_000)])
    return zstandard.ZstdCompressor(dict_data=trained).compress(TEXT)


def foreign_database(definition: str) -> bytes:
    """Return a database that uses what only the program that made it knows."""
    base = sqlite3.connect(":memory:")
    base.create_function("own", 1, lambda value: value, deterministic=True)
    base.create_collation("own", lambda one, other: (one > other) - (one < other))
    base.execute("CREATE TABLE t (a)")
    base.execute(definition)
    base.execute("INSERT INTO t VALUES ('one')")
    base.commit()
    return base.serialize()


UNKNOWN = {
    "encrypted": ("secret.zip", ZIP.replace(ENTRY + b"\0\0\0", ENTRY + b"\0\1\0")),
    "encrypted-office": ("a.docx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)),
    "other-kind": ("a.rar", b"Rar!\x1a\x07\x01\0" + bytes(100)),
    "long-window": ("long.zst", long_window()),
    "dictionary": ("dictionary.zst", with_dictionary()),
    "deep": ("deep.json", b"[" * 100_000 + b"]" * 100_000),
    "letters": ("a.xml", '<?xml version="1.0" encoding="EUC-JP"?><a>\u65e5</a>'.encode("euc-jp")),
    "version": ("b.xml", b'<?xml version="1.1"?><a>&#1;</a>'),
    "function": ("a.sqlite", foreign_database("CREATE INDEX i ON t (own(a))")),
    "collation": ("b.sqlite", foreign_database("CREATE INDEX i ON t (a COLLATE own)")),
}


@pytest.mark.parametrize(("name", "content"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_is_not_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    probe = {".json": "json", ".xml": "xml", ".sqlite": "sqlite"}.get(Path(name).suffix, "archive")

    assert [(probe, UNDECIDED)] == ask(tmp_path, tmp_path / name, Application(("*",), probe))


def test_checker_that_fails_itself_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python ends with 1 where it finds no such module, as it does for any error of ours."""
    (tmp_path / "a.json").write_bytes(JSON)
    monkeypatch.setattr(applications, "_CHECKER", "verifier.drill.no_such_module")

    assert [("json", UNDECIDED)] == ask(tmp_path, tmp_path / "a.json")


def test_what_ran_out_of_time_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    slow = Application(("file",), command=("sleep", "1000"), timeout_s=0.1)
    said = judge([("/file", tmp_path / "file")], [slow], LocalHost(), tmp_path)

    assert ["it did not end within 0.1 s and was stopped"] == [one.said for one in said]


@pytest.mark.heavy
def test_bombs_are_read_within_bounds(tmp_path: Path) -> None:
    """Gigabytes of zeros in a small file: the memory limit is not met, only the time limit."""
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(300 << 20))
    (tmp_path / "bomb.zst").write_bytes(bomb * 8)
    lol = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 50}">' for n in range(9)
    )
    (tmp_path / "laughs.xml").write_text(f"{lol}]><l>&j;</l>")
    (tmp_path / "numbers.json").write_bytes(b"[" + b'{"a":{}},' * 5_000_000 + b"{}]")

    assert [("archive", ACCEPTED)] == ask(tmp_path, tmp_path / "bomb.zst")
    assert [("xml", ACCEPTED)] == ask(tmp_path, tmp_path / "laughs.xml")
    assert [("json", UNDECIDED)] == ask(tmp_path, tmp_path / "numbers.json")


def test_fifo_in_place_of_a_file_hangs_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.sqlite")

    assert [] == ask(tmp_path, tmp_path / "a.sqlite")


def test_check_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    slow = Application(("file",), command=("sleep", "1000"), timeout_s=0.1)

    assert [("sleep", UNDECIDED)] == ask(tmp_path, tmp_path / "file", slow)


@pytest.mark.parametrize(("journal", "suffix"), [("wal", "-wal"), ("persist", "-journal")])
def test_database_is_read_with_its_journal(tmp_path: Path, journal: str, suffix: str) -> None:
    """Copied while it is open: a write-ahead log holds the tables, and without it nothing is."""
    copied = tmp_path / "copied"
    copied.mkdir()
    base = database(tmp_path / "a.db", journal)
    for name in ("a.db", f"a.db{suffix}"):
        shutil.copy(tmp_path / name, copied / name)
    base.close()

    assert [("sqlite", ACCEPTED)] == ask(tmp_path, copied / "a.db")


def test_database_that_may_not_be_written_is_read_with_its_journal() -> None:
    """It was backed up so, and is restored so; whoever rehearses need not be root."""
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder, "copied")
        copied.mkdir()
        base = database(Path(folder, "a.db"), "wal")
        for name in ("a.db", "a.db-wal"):
            shutil.copy(Path(folder, name), copied / name)
            (copied / name).chmod(0o400)
        base.close()
        for path in (Path(folder), copied, *copied.iterdir()):
            os.chown(path, NOBODY, NOBODY) if os.geteuid() == 0 else None

        assert as_nobody(lambda: check_sqlite(copied / "a.db")) is None


def test_torn_copy_of_a_database_is_refused(tmp_path: Path) -> None:
    """Half of it from before a large change and half from after, as a plain copy may catch it."""
    base = database(tmp_path / "a.db")
    before = (tmp_path / "a.db").read_bytes()
    base.execute("UPDATE t SET text = text || text || id")
    base.execute("DELETE FROM t WHERE id % 3 = 0")
    base.commit()
    base.close()
    after = (tmp_path / "a.db").read_bytes()
    torn = tmp_path / "torn.db"
    torn.write_bytes(after[: len(before) // 2] + before[len(before) // 2 :])

    assert [("sqlite", ACCEPTED)] == ask(tmp_path, tmp_path / "a.db")
    assert [("sqlite", REFUSED)] == ask(tmp_path, torn)


def git(folder: Path, *words: str) -> None:
    """Run git as nobody in particular."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    name = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *name, *words], cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with two commits, and its objects loose."""
    folder = tmp_path / "work"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for text in ("one", "two"):
        (folder / "file").write_text(text)
        git(folder, "add", "file")
        git(folder, "commit", "-q", "-m", text)
    return folder / ".git"


def packed(repository: Path) -> Path:
    """Put all objects in one pack and return it."""
    git(repository.parent, "repack", "-adq")
    return next((repository / "objects/pack").glob("*.pack"))


def test_whole_git_repository_is_accepted(tmp_path: Path, repository: Path) -> None:
    assert [("git", ACCEPTED)] == ask(tmp_path, repository)

    packed(repository)
    git(repository.parent, "pack-refs", "--all")

    assert [("git", ACCEPTED)] == ask(tmp_path, repository)

    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")

    assert [("git", ACCEPTED)] == ask(tmp_path, tmp_path / "bare.git")


def test_git_repository_with_sha256_is_accepted(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "new")
    git(tmp_path / "new", "commit", "-q", "--allow-empty", "-m", "one")

    assert [("git", ACCEPTED)] == ask(tmp_path, tmp_path / "new/.git")


def objects(repository: Path) -> Iterator[Path]:
    """Yield the loose objects."""
    return (path for path in sorted((repository / "objects").glob("??/*")))


def test_git_repository_without_an_object_is_refused(tmp_path: Path, repository: Path) -> None:
    for lost in list(objects(repository)):
        kept = lost.read_bytes()
        lost.unlink()

        assert [("git", REFUSED)] == ask(tmp_path, repository)

        lost.write_bytes(kept)

    assert [("git", ACCEPTED)] == ask(tmp_path, repository)


def test_git_repository_with_a_damaged_object_is_refused(tmp_path: Path, repository: Path) -> None:
    pack = packed(repository)
    pack.chmod(0o600)
    pack.write_bytes(flipped(pack.read_bytes(), 60))

    assert [("git", REFUSED)] == ask(tmp_path, repository)


def test_git_style_of_old_programs_is_not_refused(tmp_path: Path, repository: Path) -> None:
    """A commit that names its author without an address is whole, as odd as it is."""
    tree = subprocess.run(
        ["git", "rev-parse", "HEAD^{tree}"],
        cwd=repository.parent, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    text = f"tree {tree}\nauthor nobody 1 +0000\ncommitter nobody 1 +0000\n\nold\n"
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=repository.parent, check=True, capture_output=True, text=True, input=text,
    )  # fmt: skip
    (repository / "refs/heads/old").write_text(done.stdout)

    assert [("git", ACCEPTED)] == ask(tmp_path, repository)


def test_git_repository_that_borrows_is_not_judged(tmp_path: Path, repository: Path) -> None:
    git(tmp_path, "clone", "-q", "--shared", str(repository), "borrows")

    assert [("git", UNDECIDED)] == ask(tmp_path, tmp_path / "borrows/.git")


@pytest.mark.parametrize("name", ["objects", "objects/pack", "refs"])
def test_git_repository_that_points_elsewhere_is_not_judged(
    tmp_path: Path, repository: Path, name: str
) -> None:
    """A link to `/` among its folders would have all of this machine read."""
    moved = tmp_path / "moved"
    shutil.move(repository / name, moved)
    (repository / name).symlink_to(moved)

    assert [("git", UNDECIDED)] == ask(tmp_path, repository)


def test_git_object_that_unpacks_to_gigabytes_is_not_judged(
    tmp_path: Path, repository: Path
) -> None:
    packer = zlib.compressobj(1)
    content = packer.compress(b"tree %d\0" % (3 << 30)) + packer.compress(bytes(1 << 20))
    (repository / "objects/ab").mkdir(exist_ok=True)
    (repository / "objects/ab" / ("cd" * 19)).write_bytes(content + packer.flush())

    assert [("git", UNDECIDED)] == ask(tmp_path, repository)


def test_file_that_names_a_repository_is_not_asked_about(tmp_path: Path) -> None:
    """As `.git` of a worktree is."""
    (tmp_path / ".git").write_text("gitdir: /srv/main/.git/worktrees/one\n")

    assert [] == ask(tmp_path, tmp_path / ".git", Application(("*.git",), "git"))


def test_configuration_of_a_restored_repository_is_not_read(
    tmp_path: Path, repository: Path
) -> None:
    """Whoever had the host may have written it: what it names must not run here.

    The last line of it would stop any git that reads it.
    """
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "alias.fsck", "core.editor"):
        git(repository.parent, "config", key, f"!{program}" if "alias" in key else str(program))
    with (repository / "config").open("a") as config:
        config.write("[no section\n")

    assert [("git", ACCEPTED)] == ask(tmp_path, repository)
    assert not ran.exists()


def test_command_of_the_users_decides_by_its_status(tmp_path: Path) -> None:
    file = tmp_path / "two words"
    file.write_bytes(b"good")
    good = Application(("two*",), command=("grep", "-q", "good", "{path}"))
    bad = Application(("two*",), command=("grep", "-q", "better", "{path}"))
    none = Application(("two*",), command=("no-such-program-here", "{path}"))
    other = Application(("three*",), command=("false",))
    found = ask(tmp_path, file, good, bad, none, other)

    assert [
        ("grep", ACCEPTED), ("grep", REFUSED), ("no-such-program-here", UNDECIDED)
    ] == found  # fmt: skip


def test_commands_see_no_secret_and_may_print_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"x")
    host = LocalHost(env={**os.environ, "RESTIC_PASSWORD": "hunter2"})
    spill = "yes | head -c 50000000; env | grep -c -e hunter2 -e RESTIC && exit 1; exit 0"
    application = Application(("file",), command=("sh", "-c", spill))
    said = judge([("/file", tmp_path / "file")], [application], host, tmp_path)

    assert [ACCEPTED] == [one.verdict for one in said]


def test_complaints_without_end_take_no_memory(tmp_path: Path) -> None:
    """What a file makes a program say is up to whoever wrote the file."""
    (tmp_path / "file").write_bytes(b"x")
    endless = "yes complaint | head -c 300000000 >&2; echo the last >&2; exit 3"
    application = Application(("file",), command=("sh", "-c", endless))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = list(judge([("/file", tmp_path / "file")], [application], LocalHost(), tmp_path))
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert [(REFUSED, "complaint / complaint / the last")] == [(o.verdict, o.said) for o in said]
    assert grown_kib < 100_000


def test_program_that_is_killed_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    killed = Application(("file",), command=("sh", "-c", "kill -SEGV $$"))

    assert [("sh", UNDECIDED)] == ask(tmp_path, tmp_path / "file", killed)


@pytest.mark.skipif(shutil.which("pg_restore") is None, reason="pg_restore is not installed")
def test_what_is_no_dump_is_refused_by_pg_restore(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(b"PGDMP\x01\x0e\x00" + bytes(10))
    (tmp_path / "b.dump").write_bytes(b"not a dump")

    assert [("pg-restore", REFUSED)] == ask(tmp_path, tmp_path / "a.dump")

    asked = Application(("*.dump",), "pg-restore")

    assert [("pg-restore", REFUSED)] == ask(tmp_path, tmp_path / "b.dump", asked)


class WithoutPrograms(LocalHost):
    """A machine on which nothing is installed."""

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        raise ToolMissing(command.argv[0], "there is no such program here", "install it")


def test_missing_program_is_not_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(b"PGDMP")
    file = ("/a.dump", tmp_path / "a.dump")

    assert [UNDECIDED] == [o.verdict for o in judge([file], [], WithoutPrograms(), tmp_path)]


def test_not_all_that_is_recognised_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    files = [(f"/a{number}.json", tmp_path / "a.json") for number in range(PER_PROBE + 3)]
    found = [one.verdict for one in judge(files, [], LocalHost(), tmp_path)]

    assert [ACCEPTED] * PER_PROBE + [UNDECIDED] * 3 == found


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.dump", "/srv/a.dump", True),
        ("*.dump", "/srv/a.dump/in", False),
        ("*.dump", "/srv/a.dump.old", False),
        ("/srv/*.db", "/srv/a.db", True),
        ("/srv/*.db", "/srv/b/a.db", False),
        ("/srv/**/*.db", "/srv/b/c/a.db", True),
        ("app/data", "/srv/app/data", True),
        ("a[0-9].db", "/a5.db", True),
    ],
)
def test_patterns_match_names_or_whole_paths(pattern: str, path: str, expected: bool) -> None:
    assert expected is Application((pattern,), "sqlite").matches(path)


@pytest.fixture
def stage(restic_program: str, tmp_path: Path) -> Stage:
    """A stage with an empty repository."""
    return new_stage(tmp_path, restic_program)


Make = Callable[[Path], object]


@pytest.mark.heavy
def test_asked_and_broken_is_an_alarm_and_recognised_alone_is_not(stage: Stage) -> None:
    (stage.live / "good.db").write_bytes(SQLITE)
    (stage.live / "torn.db").write_bytes(zeroed(SQLITE))
    git(stage.live, "init", "-q", "repo")
    git(stage.live / "repo", "commit", "-q", "--allow-empty", "-m", "one")
    stage.backup()
    asked = (Application(("*.db",), "sqlite"),)
    alarmed, quiet = stage.rehearse(asked), stage.rehearse()

    assert stage.kinds(alarmed) == {"torn.db": "application-failed"}
    assert AS_BACKED_UP in alarmed.findings[0].detail
    assert alarmed.section["applications"] == {
        "git": {ACCEPTED: 1}, "sqlite": {ACCEPTED: 1, REFUSED: 1}
    }  # fmt: skip
    assert quiet.findings == ()
    assert quiet.section["refused_as_backed_up"]["count"] == 1  # type: ignore[index]


def test_refusal_of_what_was_not_restored_as_recorded_is_an_alarm_unasked(tmp_path: Path) -> None:
    (tmp_path / "torn.db").write_bytes(zeroed(SQLITE))
    file = ("/live/torn.db", tmp_path / "torn.db")
    said = list(judge([file], [], LocalHost(), tmp_path))
    faithful, unfaithful = weigh(said, "web1", ()), weigh(said, "web1", ["/live/torn.db"])

    assert faithful.findings == ()
    assert [(f.kind, f.subject) for f in unfaithful.findings] == [
        ("application-failed", "web1:/live/torn.db")
    ]
    assert UNFAITHFUL in unfaithful.findings[0].detail


def test_what_was_asked_for_and_not_there_is_counted_as_nothing() -> None:
    """It shall not look as if it had been checked."""
    assert weigh([], "web1", (), ["sqlite"]).figures == {"sqlite": {}}
