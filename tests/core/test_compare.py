"""Backup against live files: every kind with what makes it, and beside it what makes another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from verifier.core.align import (
    EXCLUDED_LISTED,
    LISTED_PER_KIND,
    TOLD_PER_KIND,
    Comparison,
    told,
)
from verifier.core.compare import BENEATH, LEFT, compare
from verifier.core.entry import CHANGING, VANISHED, Entry, content_digest, path_order, shown
from verifier.core.finding import Finding

TAKEN_AT = datetime(2024, 3, 1, 4, tzinfo=UTC)
SECOND = 1_000_000_000
TAKEN_NS = int(TAKEN_AT.timestamp()) * SECOND
BEFORE, AFTER = TAKEN_NS - 3600 * SECOND + 7, TAKEN_NS + 3600 * SECOND + 7

FILE = Entry(
    path="/a",
    type="file",
    size=3,
    permissions=0o644,
    uid=7,
    gid=8,
    mtime_ns=BEFORE,
    ctime_ns=BEFORE,
    sha256="aa",
    attributes={},
)
DIR = replace(FILE, type="dir", sha256=None, permissions=0o755)
LINK = replace(FILE, type="symlink", sha256=None, linktarget="x")


def side(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: path_order(entry.path))


def look(
    recorded: Iterable[Entry] = (), observed: Iterable[Entry] = (), **options: Any
) -> Comparison:
    return compare(side(recorded), side(observed), taken_at=TAKEN_AT, **options)


def only(found: Comparison) -> Finding:
    (finding,) = found.findings
    return finding


def kinds(found: Comparison) -> dict[str, str]:
    return {finding.subject: finding.kind for finding in found.findings}


def test_equal_sides_are_identical_and_not_listed() -> None:
    both = [FILE, replace(DIR, path="/d")]
    found = look(both, observed=both)

    assert found.counts == {"identical": 2}
    assert found.findings == ()
    assert (found.checked, found.total) == (2, 2)


@pytest.mark.parametrize(
    ("live", "kind"),
    [
        ({"sha256": "bb"}, "corrupted"),
        ({"sha256": "bb", "size": 4}, "corrupted"),
        ({"sha256": "bb", "ctime_ns": AFTER}, "changed-mtime-kept"),
        ({"sha256": "bb", "ctime_ns": AFTER, "mtime_ns": AFTER}, "changed"),
        # A directory moved over it brought an older file of the same name.
        ({"sha256": "bb", "ctime_ns": BEFORE - 5}, "changed"),
        ({"ctime_ns": AFTER}, "identical"),
        ({"ctime_ns": AFTER, "mtime_ns": AFTER}, "changed"),
    ],
)
def test_content_is_judged_by_the_ctime(live: dict[str, Any], kind: str) -> None:
    found = look([FILE], observed=[replace(FILE, **live)])

    assert {kind: 1} == found.counts


@pytest.mark.parametrize(
    ("live", "kind"),
    [
        ({"sha256": "bb"}, "corrupted"),
        ({"sha256": "bb", "mtime_ns": AFTER}, "changed"),
        ({}, "identical"),
    ],
)
def test_without_a_recorded_ctime_the_mtime_decides(live: dict[str, Any], kind: str) -> None:
    found = look([replace(FILE, ctime_ns=None)], observed=[replace(FILE, **live)])

    assert {kind: 1} == found.counts
    assert all("holds no ctime" in f.detail for f in found.findings)


@pytest.mark.parametrize(
    ("entry", "live", "name"),
    [
        (FILE, {"permissions": 0o600}, "mode"),
        (FILE, {"permissions": 0o4644}, "mode"),
        (FILE, {"uid": 0}, "uid"),
        (FILE, {"gid": 0}, "gid"),
        (FILE, {"mtime_ns": BEFORE + 1}, "mtime"),
        (FILE, {"attributes": {"user.k": "76"}}, "extended attributes"),
        (FILE, {"attributes": {"system.posix_acl_access": "76"}}, "extended attributes"),
        (LINK, {"linktarget": "y"}, "link target"),
        (replace(DIR, type="chardev", device=1), {"device": 2}, "device number"),
        (FILE, {"type": "fifo", "sha256": None}, "type (file, now fifo)"),
    ],
)
def test_metadata_is_judged_by_the_ctime(entry: Entry, live: dict[str, Any], name: str) -> None:
    untouched = look([entry], observed=[replace(entry, **live)])
    touched = look([entry], observed=[replace(entry, ctime_ns=AFTER, **live)])

    assert only(untouched).kind == "metadata"
    assert f"differs in {name}, though" in only(untouched).detail
    assert only(touched).kind == "changed"
    assert f"changed in {name} since" in only(touched).detail


def test_a_symlinks_mode_says_nothing() -> None:
    found = look([LINK], observed=[replace(LINK, permissions=0o777)])

    assert found.counts == {"identical": 1}


def test_a_file_that_appeared_is_added_and_one_that_was_there_is_missing() -> None:
    old, new = replace(FILE, path="/old"), replace(FILE, path="/new", ctime_ns=AFTER)
    found = look(observed=[old, new])

    assert kinds(found) == {"/old": "missing", "/new": "added"}


@pytest.mark.parametrize(
    ("ctime_ns", "kind"),
    [
        (TAKEN_NS + 1, "added"),
        # The kernel's stamp is up to one tick old when it is made, and whole seconds up to one.
        (TAKEN_NS - 9_000_001, "added"),
        (TAKEN_NS - 11_000_001, "missing"),
        (TAKEN_NS - SECOND, "added"),
        (TAKEN_NS - 2 * SECOND, "missing"),
    ],
)
def test_what_came_while_the_backup_ran_is_added(ctime_ns: int, kind: str) -> None:
    found = look(observed=[replace(FILE, ctime_ns=ctime_ns)])

    assert {kind: 1} == found.counts


def test_a_moved_in_directory_brings_old_files_with_it() -> None:
    moved = [
        replace(DIR, path="/m", ctime_ns=AFTER),
        replace(FILE, path="/m/x/y"),
        replace(FILE, path="/m/z"),
    ]
    kept = [
        replace(DIR, path="/k", ctime_ns=AFTER),
        replace(FILE, path="/k/z"),
        replace(FILE, path="/mz"),
    ]
    found = look([kept[0]], observed=[*moved, *kept])

    assert kinds(found) == {
        "/m": "added",
        "/m/x/y": "added",
        "/m/z": "added",
        "/k/z": "missing",
        "/mz": "missing",
    }


def test_what_a_rule_leaves_out_is_excluded() -> None:
    found = look(observed=[FILE, replace(FILE, path="/b")], excluded=lambda path: path == "/a")

    assert kinds(found) == {"/a": "excluded", "/b": "missing"}
    assert (found.checked, found.total) == (1, 2)


def test_an_excluded_path_that_the_snapshot_holds_is_not_called_deleted() -> None:
    found = look([FILE, replace(FILE, path="/b")], excluded=lambda path: path == "/a")

    assert kinds(found) == {"/a": "excluded", "/b": "deleted"}


def test_a_socket_is_never_missing() -> None:
    found = look(observed=[replace(DIR, type="socket")])

    assert found.counts == {"excluded": 1}


def test_what_vanishes_while_it_is_read_is_deleted() -> None:
    found = look([FILE], observed=[replace(FILE, error=VANISHED)])

    assert found.counts == {"deleted": 1}
    assert look(observed=[replace(FILE, error=VANISHED)]).counts == {}


def test_what_is_being_written_to_is_changed() -> None:
    found = look([FILE], observed=[replace(FILE, sha256=None, error=CHANGING)])

    assert found.counts == {"changed": 1}


def test_an_unreadable_directory_hides_what_is_below_it() -> None:
    closed = replace(DIR, path="/d", error="EACCES", entered=False)
    recorded = [replace(DIR, path="/d"), replace(FILE, path="/d/x"), replace(FILE, path="/dx")]
    found = look(recorded, observed=[closed])

    assert kinds(found) == {"/d": "unreadable", "/d/x": "unreadable", "/dx": "deleted"}
    assert (found.checked, found.total) == (1, 3)
    assert "EACCES; `restic-verify render all`" in found.findings[0].detail
    broken = look(recorded[:1], observed=[replace(closed, error="EIO")])
    assert broken.findings[0].detail.endswith("EIO")


def test_another_file_system_is_not_deleted() -> None:
    mount = replace(DIR, path="/d", entered=False)
    found = look([replace(DIR, path="/d"), replace(FILE, path="/d/x")], observed=[mount])

    assert kinds(found) == {"/d/x": "excluded"}


def test_what_the_repository_cannot_produce_is_lost() -> None:
    lost = {"/a": "data/3f: is missing"}
    whole = look([FILE, replace(FILE, path="/b")], [FILE, replace(FILE, path="/b")], lost=lost)

    assert kinds(whole) == {"/a": "lost"}
    assert only(look([FILE], lost=lost)).kind == "lost"
    assert only(look([FILE], [replace(FILE, sha256="bb")], lost=lost)).kind == "lost"


def test_a_lost_directory_hides_what_was_recorded_below_it() -> None:
    live = [replace(DIR, path="/d"), replace(FILE, path="/d/x"), replace(FILE, path="/e")]
    found = look([replace(DIR, path="/d")], live, lost={"/d": "its tree is damaged"})

    assert kinds(found) == {"/d": "lost", "/e": "missing"}
    assert found.skipped == {BENEATH: 1}


def test_hard_links_are_compared_as_sets() -> None:
    pair = [replace(FILE, path="/x", inode=(1, 5)), replace(FILE, path="/y", inode=(1, 5))]
    other = [replace(entry, inode=(9, 3)) for entry in pair]
    apart = [replace(pair[0], inode=None), replace(pair[1], inode=None)]

    assert look(pair, other).counts == {"identical": 2}
    assert look(pair, apart).counts == {"identical": 1, "metadata": 1}
    assert look(apart, other).counts == {"identical": 1, "metadata": 1}


def test_a_link_to_a_file_outside_is_no_difference() -> None:
    found = look([FILE], [replace(FILE, inode=(1, 5))])

    assert found.counts == {"identical": 1}


def test_kinds_that_are_well_are_listed_up_to_a_limit_and_counted_whole() -> None:
    many = LISTED_PER_KIND + 5
    gone = [replace(FILE, path=f"/{number:03}") for number in range(many)]

    assert len(look(gone).findings) == LISTED_PER_KIND
    assert {"deleted": many} == look(gone).counts
    assert many == len(look(observed=gone).findings)
    left_out = look(observed=gone, excluded=lambda _: True)
    assert EXCLUDED_LISTED == len(left_out.findings)
    assert {"excluded": many} == left_out.counts


def test_a_report_lists_so_many_of_a_kind_and_counts_the_rest() -> None:
    many = TOLD_PER_KIND + 5
    files = [replace(FILE, path=f"/{number:05}") for number in range(many)]
    rotten = [replace(file, sha256="bb") for file in files]
    for kind, found in (("missing", look(observed=files)), ("corrupted", look(files, rotten))):
        *listed, rest = told(found, "web1")

        assert {kind: many} == found.counts
        assert [f"web1:/{number:05}" for number in range(TOLD_PER_KIND)] == [
            finding.subject for finding in listed
        ]
        assert (kind, "web1", {"count": 5}) == (rest.kind, rest.subject, rest.evidence)
    exactly = look(observed=files[:TOLD_PER_KIND])
    assert [True] * TOLD_PER_KIND == [":" in finding.subject for finding in told(exactly, "web1")]


def test_what_is_looked_into_again_is_kept_whole() -> None:
    files = [replace(FILE, path=f"/{number:05}") for number in range(TOLD_PER_KIND + 1)]
    rotten = [replace(file, sha256="bb") for file in files]

    assert len(files) == len(look(files, rotten).findings)
    assert TOLD_PER_KIND == len(look(observed=files).findings)


def test_parents_come_first_and_components_are_compared_bytewise() -> None:
    paths = ["/a", "/a/b", "/a/b/c", "/a!", "/a-b", "/b\udcff", "/é"]

    assert sorted(paths, key=path_order) == [
        "/a",
        "/a/b",
        "/a/b/c",
        "/a!",
        "/a-b",
        "/b\udcff",
        "/é",
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [("/é ü", "/é ü"), ("/n\nl", r"/n\nl"), ("/b\udcff", r"/b\xff"), ("/\x1b[31m", r"/\x1b[31m")],
)
def test_a_shown_path_can_be_printed(path: str, text: str) -> None:
    assert text == shown(path)
    assert text == only(look(observed=[replace(FILE, path=path)])).subject


def test_a_side_out_of_order_is_our_own_fault() -> None:
    with pytest.raises(AssertionError, match="comes after"):
        compare([replace(FILE, path="/b"), FILE], [], taken_at=TAKEN_AT)


def test_a_live_file_that_was_not_read_never_passes_for_identical() -> None:
    unread = replace(FILE, sha256=None)
    found = look([FILE], [unread])

    assert found.counts == {}
    assert found.skipped == {LEFT: 1}
    assert look([FILE], [replace(unread, permissions=0)]).counts == {"metadata": 1}
    assert look([FILE], [replace(unread, size=4)]).counts == {"corrupted": 1}


def test_whoever_keeps_count_is_told_of_every_content_that_is_the_same() -> None:
    seen: list[str] = []
    live = [
        FILE,
        replace(FILE, path="/b", sha256=None),
        replace(FILE, path="/c", sha256="bb"),
        replace(DIR, path="/d"),
        replace(FILE, path="/e", size=4),
    ]
    recorded = [replace(e, sha256="aa" if e.type == "file" else None) for e in live]
    recorded[-1] = replace(recorded[-1], size=3)
    look(recorded, live, proven=lambda entry: seen.append(entry.path))

    assert ["/a"] == seen


def test_a_file_is_proven_before_the_next_one_is_read() -> None:
    seen: list[str] = []
    files = [replace(FILE, path=path) for path in ("/a", "/b", "/d")]

    def recorded() -> Iterator[Entry]:
        for file in files:
            seen.append(f"read {file.path}")
            yield file

    live = (replace(FILE, path=path) for path in ("/a", "/aa", "/b", "/c", "/d", "/e"))
    compare(
        recorded(),
        live,
        taken_at=TAKEN_AT,
        proven=lambda entry: seen.append(f"proven {entry.path}"),
    )

    assert ["read /a", "proven /a", "read /b", "proven /b", "read /d", "proven /d"] == seen


def test_attributes_that_only_root_sees_are_no_difference() -> None:
    trusted = replace(FILE, attributes={"trusted.x": "00"})

    assert look([trusted], [FILE]).counts == {"identical": 1}
    assert look([FILE], [trusted]).counts == {"identical": 1}


def test_a_content_is_the_digest_of_its_pieces() -> None:
    pieces = [hashlib.sha256(piece).hexdigest() for piece in (b"a", b"b")]

    assert hashlib.sha256(bytes.fromhex(pieces[0] + pieces[1])).hexdigest() == content_digest(
        pieces
    )
    assert hashlib.sha256(b"").hexdigest() == content_digest([])


def test_evidence_shows_every_side() -> None:
    finding = only(look([FILE], observed=[replace(FILE, sha256="bb")]))

    assert {"recorded", "live"} == finding.evidence.keys()
    assert ("/a",) == look([FILE], observed=[replace(FILE, sha256="bb")]).places
