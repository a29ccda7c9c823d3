"""The ledger keeps what was proven, across runs, kills and broken disks, and says who may write."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.drill import ledger_writer
from tests.drill.ledger_writer import AT, KEYS, MONTH, PACKS
from tests.drill.unprivileged import as_nobody
from verifier.core.errors import CannotVerify, NoSpace
from verifier.core.finding import Finding
from verifier.database.store import open_store
from verifier.drill import ledger as opener
from verifier.drill import standing
from verifier.drill.ledger import RESUMABLE, Ledger, Run, file_key, open_ledger
from verifier.drill.run import KEPT_TIMES
from verifier.drill.standing import read_ledger
from verifier.drill.tables import LEDGER


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with open_ledger(path) as opened:
        yield opened


def begin(ledger: Ledger, *, month: int = 0, inputs: str = "config", **more: Any) -> Run:
    at = AT + month * MONTH
    return ledger.begin(repository="R", inputs=inputs, at=at, **{"seed": 1} | more)


def one_round(
    ledger: Ledger, month: int, *, packs: tuple[str, ...] = (), keys: tuple[bytes, ...] = ()
) -> Run:
    run = begin(ledger, month=month)
    if packs:
        run.prove_packs((pack, 10) for pack in packs)
        run.hold_packs({run.pack_round(): (len(packs), 10 * len(packs))})
    if keys:
        run.prove_files("web1", ((key, 10) for key in keys))
        run.hold_files("web1", {run.file_round("web1"): (len(keys), 10 * len(keys))})
    run.finish(AT + month * MONTH, "OK", {})
    return run


# What is remembered.


def test_nothing_is_proven_at_first(ledger: Ledger) -> None:
    run = begin(ledger)

    assert (1, False, AT) == (run.number, run.resumed, run.begun_at)
    assert ({}, set()) == (run.packs(), run.proven_packs())
    assert (0, False) == (run.files("web1")(KEYS[0]), run.proven_files("web1")(KEYS[0]))


def test_proof_outlives_the_process(path: Path) -> None:
    with open_ledger(path) as ledger:
        one_round(ledger, 0, packs=PACKS[:2], keys=KEYS[:2])
    with open_ledger(path) as ledger:
        run = begin(ledger, month=1)

        assert dict.fromkeys(PACKS[:2], 1) == run.packs()
        assert [1, 1, 0] == [run.files("web1")(key) for key in KEYS[:3]]


def test_copies_and_hosts_are_apart(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:1], keys=KEYS[:1])
    run = begin(ledger, month=1)

    assert {} == run.packs("off-site")
    assert 0 == run.files("db1")(KEYS[0])


def test_repositories_are_apart(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:1], keys=KEYS[:1])
    other = ledger.begin(repository="S", inputs="config", at=AT, seed=1)

    assert ({}, 1) == (other.packs(), other.pack_round())


def test_other_content_is_another_file() -> None:
    keys = {
        file_key(path, content)
        for path in ("/a", "/a\0", "/b\udcff\ud800")
        for content in ("", "0")
    }

    assert {16} == {len(key) for key in keys}
    assert 6 == len(keys)


# Rounds.


def test_each_finished_run_closes_a_round(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:2])
    one_round(ledger, 1, packs=PACKS[:1])

    run = begin(ledger, month=2)
    assert 3 == run.pack_round()
    assert {PACKS[0]: 2, PACKS[1]: 1} == run.packs()


def test_run_about_another_host_ages_nothing(ledger: Ledger) -> None:
    one_round(ledger, 0, keys=KEYS[:1])
    for month in range(1, 5):
        one_round(ledger, month, packs=PACKS[:1])

    run = begin(ledger, month=5)
    assert (2, 1) == (run.file_round("web1"), run.files("web1")(KEYS[0]))
    assert 5 == run.pack_round()


def test_scope_not_gone_through_keeps_its_round(ledger: Ledger) -> None:
    run = begin(ledger)
    run.prove_files("web1", [(KEYS[0], 10)])
    run.finish(AT, "UNKNOWN", {})

    following = begin(ledger, month=1)
    assert 1 == following.file_round("web1")
    assert (0, True) == (following.files("web1")(KEYS[0]), following.proven_files("web1")(KEYS[0]))


def test_round_of_an_unfinished_run_stays_open(ledger: Ledger) -> None:
    run = begin(ledger)
    run.prove_packs([(PACKS[0], 10)])
    run.hold_packs({1: (1, 10)})
    following = begin(ledger, month=1)

    assert (1, {}, {PACKS[0]}) == (
        following.pack_round(),
        following.packs(),
        following.proven_packs(),
    )


def test_abandoned_run_shares_the_next_ones_round(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:3])
    begin(ledger, month=1).prove_packs([(PACKS[0], 10)])
    run = begin(ledger, month=2)

    assert not run.resumed
    assert (2, {PACKS[0]}) == (run.pack_round(), run.proven_packs())
    assert dict.fromkeys(PACKS[:3], 1) == run.packs()
    run.hold_packs({2: (1, 10), 1: (2, 20)})
    run.finish(AT + 2 * MONTH, "OK", {})
    assert {PACKS[0]: 2, PACKS[1]: 1, PACKS[2]: 1} == begin(ledger, month=3).packs()


# Resuming.


def test_unfinished_run_is_taken_up(path: Path) -> None:
    with open_ledger(path) as ledger:
        one_round(ledger, 0, packs=PACKS[:3], keys=KEYS[:3])
        run = begin(ledger, month=1, seed=7)
        run.prove_packs([(PACKS[0], 10), (PACKS[4], 10)])
        run.prove_files("web1", [(KEYS[0], 10), (KEYS[4], 10)])
    with open_ledger(path) as ledger:
        again = begin(ledger, month=1, seed=8)

        assert (run.number, 7, True) == (again.number, again.seed, again.resumed)
        # The history that it chooses by is the one that it chose by.
        assert dict.fromkeys(PACKS[:3], 1) == again.packs()
        assert {PACKS[0], PACKS[4]} == again.proven_packs()
        assert [1, 1, 0, 0] == [again.files("web1")(KEYS[n]) for n in (0, 1, 4, 5)]
        assert [True, False, True] == [again.proven_files("web1")(KEYS[n]) for n in (0, 1, 4)]


def test_what_is_proven_twice_in_a_round_keeps_its_past(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:1])
    run = begin(ledger, month=1)
    run.prove_packs([(PACKS[0], 10)])
    run.prove_packs([(PACKS[0], 10)])

    assert {PACKS[0]: 1} == run.packs()


@pytest.mark.parametrize(
    ("later", "inputs", "resumed"),
    [
        (RESUMABLE - timedelta(seconds=1), "config", True),
        (RESUMABLE, "config", False),
        (timedelta(0), "other", False),
    ],
    ids=["in time", "too late", "other inputs"],
)
def test_only_the_same_run_is_taken_up(
    ledger: Ledger, later: timedelta, inputs: str, resumed: bool
) -> None:
    begin(ledger)
    run = ledger.begin(repository="R", inputs=inputs, at=AT + later, seed=1)

    assert resumed == run.resumed


def test_overtaken_run_is_not_taken_up(ledger: Ledger) -> None:
    begin(ledger).prove_packs([(PACKS[0], 10)])
    other = begin(ledger, inputs="other")
    other.prove_packs([(PACKS[1], 10)])
    other.finish(AT, "OK", {})
    run = begin(ledger)

    assert (3, False) == (run.number, run.resumed)
    assert {PACKS[0], PACKS[1]} == run.proven_packs()


def test_run_beside_an_unfinished_one_is_taken_up(ledger: Ledger) -> None:
    begin(ledger).prove_packs([(PACKS[0], 10)])
    begin(ledger, inputs="other").prove_packs([(PACKS[0], 10), (PACKS[1], 10)])
    run = begin(ledger)
    run.prove_packs([(PACKS[1], 10)])

    assert (1, True) == (run.number, run.resumed)


def test_finished_run_is_not_taken_up(ledger: Ledger) -> None:
    one_round(ledger, 0)

    assert 2 == begin(ledger).number


FINDING = Finding("lost", "web1:/srv/\udcff\n", "it is gone", {"snapshot": "ab", "count": 3})


def test_parts_that_were_said_are_kept(path: Path) -> None:
    with open_ledger(path) as ledger:
        begin(ledger).say("host web1", [FINDING], {"files": 3})
    with open_ledger(path) as ledger:
        run = begin(ledger)

        assert {"host web1": ((FINDING,), {"files": 3})} == run.said()
        run.finish(AT, "CRITICAL", {})
        assert {} == begin(ledger).said()


def test_kinds_of_another_release_are_said_anew(path: Path, ledger: Ledger) -> None:
    begin(ledger).say("host web1", [FINDING], {})
    begin(ledger).say("host db1", [], {})
    raw(path, "UPDATE parts SET findings = replace(findings, 'lost', 'mislaid')")

    assert {"host db1"} == begin(ledger).said().keys()


def test_old_parts_are_forgotten(path: Path, ledger: Ledger) -> None:
    begin(ledger).say("host web1", [FINDING], {})
    begin(ledger, month=1)

    assert [(0,)] == raw(path, "SELECT count(*) FROM parts")


# Forgetting.


def test_proofs_of_the_last_rounds_alone_are_kept(ledger: Ledger) -> None:
    """One pack is proven a round: with a promise of 2, those of the last 4 are remembered."""
    for month in range(8):
        run = begin(ledger, month=month, within=2)
        run.prove_packs([(PACKS[month], 10)])
        run.hold_packs({run.pack_round(): (1, 10)})
        run.finish(AT + month * MONTH, "OK", {})

        kept = set(PACKS[max(0, month + 1 - 2 * KEPT_TIMES) : month + 1])
        assert kept == begin(ledger, month=month, inputs="look").packs().keys()


def test_every_commit_is_forced_to_the_disk(ledger: Ledger) -> None:
    settings = ("journal_mode", "synchronous", "foreign_keys")

    assert [[("wal",)], [(2,)], [(1,)]] == [
        ledger._store.rows(f"PRAGMA {setting}") for setting in settings
    ]


# What was found bad.


def test_bad_is_remembered_until_it_is_proven(ledger: Ledger) -> None:
    one_round(ledger, 0, packs=PACKS[:3], keys=KEYS[:3])
    run = begin(ledger, month=1)
    run.doubt_packs(PACKS[:2])
    run.doubt_files("web1", KEYS[:2])
    assert {PACKS[2]: 1} == run.packs()
    run.prove_packs([(PACKS[0], 10)])
    run.prove_files("web1", [(KEYS[0], 10)])

    assert {PACKS[1]} == run.doubted_packs()
    assert {KEYS[1]} == run.doubted_files("web1")
    assert ({PACKS[0]}, {PACKS[2]: 1}) == (run.proven_packs(), run.packs())


def test_bad_that_the_last_run_did_not_meet_is_gone(ledger: Ledger) -> None:
    for month, bad in enumerate([PACKS[:2], PACKS[1:3]]):
        run = begin(ledger, month=month)
        run.doubt_packs(bad)
        run.hold_packs({0: (2, 20)})
        run.finish(AT + month * MONTH, "CRITICAL", {})

    assert set(PACKS[1:3]) == begin(ledger, month=2).doubted_packs()


def test_bad_of_a_scope_not_gone_through_stays(ledger: Ledger) -> None:
    run = begin(ledger)
    run.doubt_packs(PACKS[:2])
    run.finish(AT, "CRITICAL", {})
    one_round(ledger, 1, keys=KEYS[:1])

    assert set(PACKS[:2]) == begin(ledger, month=2).doubted_packs()


# Releases.


def test_older_ledger_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_ledger(path) as ledger:
        one_round(ledger, 0, packs=PACKS[:2])
    change = "ALTER TABLE runs ADD COLUMN note TEXT; CREATE TABLE more (a)"
    newer = replace(LEDGER, migrations=(*LEDGER.migrations, change))
    for module in (opener, standing):
        monkeypatch.setattr(module, "LEDGER", newer)
    with pytest.raises(CannotVerify, match="of an older release"):
        read_ledger(path)
    with open_ledger(path) as ledger:
        assert dict.fromkeys(PACKS[:2], 1) == begin(ledger, month=1).packs()
    assert [(LEDGER.version + 1,), (None,), (None,)] == raw(
        path, "PRAGMA user_version", "SELECT note FROM runs"
    )
    assert 2 == len(read_ledger(path).runs)


def test_ledger_of_the_first_release_is_brought_up_to_date(path: Path) -> None:
    first = LEDGER.migrations[0]
    # No edit of it reaches a ledger that was made by it: a change is one more migration.
    assert "842c8a4154a3" == hashlib.sha256(first.encode()).hexdigest()[:12]
    with open_store(replace(LEDGER, migrations=(first,)), path):
        pass
    raw(
        path,
        "INSERT INTO runs VALUES (1, 'R', '', 1, 12, '2026-01-01T00:00:00+00:00', 1, "
        "'2026-01-01T01:00:00+00:00', 'OK', '{}')",
        "INSERT INTO scopes VALUES (1, 'R', 'packs', ''), (2, 'R', 'packs', 'off-site')",
        "INSERT INTO proofs VALUES (1, x'aa', 1, 0, 7), (1, x'bb', 1, 0, 9), (2, x'aa', 1, 0, 5)",
        "INSERT INTO rounds VALUES (1, 1), (2, 1)",
        "INSERT INTO held VALUES (1, 1, 1, 2, 16), (2, 1, 1, 1, 5)",
    )
    with open_ledger(path):
        pass

    assert [9, 5] == [standing.largest_bytes for standing in read_ledger(path).standings]
    assert 2 == LEDGER.version


# What it cannot be opened for.


def raw(path: Path, *statements: str) -> list[Any]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return [row for statement in statements for row in connection.execute(statement)]
    finally:
        connection.close()


def _text(path: Path) -> None:
    path.write_bytes(b"this is my shopping list, and no ledger\n" * 200)


def _foreign(path: Path) -> None:
    raw(path, "CREATE TABLE mine (name TEXT)")


def _newer(path: Path) -> None:
    with open_ledger(path):
        pass
    raw(path, f"PRAGMA user_version = {LEDGER.version + 1}")


def _truncated(path: Path) -> None:
    with open_ledger(path) as ledger:
        begin(ledger).prove_packs((f"{n:064x}", 1) for n in range(5_000))
    with path.open("r+b") as stream:
        stream.truncate(stream.seek(0, 2) // 2)


def _scribbled(path: Path) -> None:
    with open_ledger(path) as ledger:
        begin(ledger).prove_packs((f"{n:064x}", 1) for n in range(5_000))
    data = bytearray(path.read_bytes())
    for page in range(6 * 4096, len(data), 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_text, "is no ledger"),
        (_foreign, "no ledger of restic-verify"),
        (_newer, "of a newer release"),
        (_truncated, "is broken"),
        (_scribbled, "is broken"),
    ],
)
def test_what_is_no_sound_ledger_is_refused(
    path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    path.parent.mkdir()
    spoil(path)
    before = path.read_bytes()

    with pytest.raises(CannotVerify, match=message) as caught, open_ledger(path) as ledger:
        begin(ledger)
    assert str(path) == caught.value.subject
    assert before == path.read_bytes()


def test_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(CannotVerify, match="cannot be used"), open_ledger(tmp_path / "file" / "l"):
        pass


def test_folder_without_rights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    def look() -> str:
        try:
            with open_ledger(path) as ledger:
                begin(ledger)
        except CannotVerify as error:
            return error.remedy
        return "no error"

    tmp_path.chmod(0o500)
    assert "let this user write" in as_nobody(look)


def test_nobody_else_may_read_it(path: Path, ledger: Ledger) -> None:
    assert (0o600, 0o700) == (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB; needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", str(place))
    subprocess.run(mount, check=True)
    yield place
    subprocess.run(["umount", place], check=True)


def test_full_disk_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "ledger.sqlite"
    proven: set[str] = set()
    with open_ledger(path) as ledger:
        run = begin(ledger)

        def prove_on() -> None:
            for first in range(0, 100_000, 50):
                batch = [f"{number:064x}" for number in range(first, first + 50)]
                run.prove_packs((pack, 1) for pack in batch)
                proven.update(batch)

        with pytest.raises(NoSpace) as caught:
            prove_on()
        assert str(path) == caught.value.subject
        assert proven
        assert proven == set(run.proven_packs())


@pytest.mark.parametrize("left", [0, 4096, 16384])
def test_disk_that_is_full_already_is_told_as_full(small_disk: Path, left: int) -> None:
    path = small_disk / "ledger.sqlite"
    with open_ledger(path) as ledger:
        begin(ledger)
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "other").write_bytes(bytes(free - left))

    def prove() -> None:
        with open_ledger(path) as ledger:
            begin(ledger).prove_packs((f"{number:064x}", 1) for number in range(1000))

    with pytest.raises(NoSpace, match="has no room") as caught:
        prove()
    assert "make room" in caught.value.remedy


def test_batch_that_breaks_off_leaves_nothing(ledger: Ledger) -> None:
    run = begin(ledger)

    def packs() -> Iterator[tuple[str, int]]:
        yield PACKS[0], 10
        raise CannotVerify("web1", "went away", "bring it back")

    with pytest.raises(CannotVerify, match="went away"):
        run.prove_packs(packs())
    assert set() == run.proven_packs()


# One writer.


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the middle of a run."""
    command = [sys.executable, ledger_writer.__file__, "hold", path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_second_writer_is_refused_by_name(path: Path, holder: subprocess.Popen[str]) -> None:
    with open_ledger(path) as ledger:
        with pytest.raises(CannotVerify, match="another run is writing") as caught:
            begin(ledger)
        assert f"process {holder.pid} " in caught.value.message
        assert "since 2025-03-01T04:00:00+00:00" in caught.value.message


def test_killed_writer_stands_in_nobodys_way(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with open_ledger(path) as ledger:
        run = begin(ledger)

        assert (True, {PACKS[0]}) == (run.resumed, run.proven_packs())


def test_one_process_may_begin_several(ledger: Ledger) -> None:
    assert [1, 2] == [begin(ledger).number, begin(ledger, inputs="other").number]
