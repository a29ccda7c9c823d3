"""Comparing three sides: every kind with what makes it, and beside it what makes another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from verifier.core.compare import LISTED_PER_KIND, Comparison, compare
from verifier.core.entry import CHANGING, VANISHED, Entry, Rights, path_order, shown
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
    recorded: Iterable[Entry] = (),
    restored: Iterable[Entry] | None = None,
    observed: Iterable[Entry] = (),
    **options: Any,
) -> Comparison:
    """Compare; what was restored is what was recorded unless it is given."""
    back = recorded if restored is None else restored
    return compare(side(recorded), side(back), side(observed), taken_at=TAKEN_AT, **options)


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


def test_another_file_system_is_not_deleted() -> None:
    mount = replace(DIR, path="/d", entered=False)
    found = look([replace(DIR, path="/d"), replace(FILE, path="/d/x")], observed=[mount])

    assert kinds(found) == {"/d/x": "excluded"}


@pytest.mark.parametrize(
    "back",
    [
        [],
        [replace(FILE, size=2)],
        [replace(FILE, type="symlink")],
        [replace(FILE, sha256="bb")],
    ],
)
def test_what_the_repository_cannot_produce_is_lost(back: list[Entry]) -> None:
    found = look([FILE], back, [FILE])

    assert found.counts == {"lost": 1}


def test_a_failure_that_restic_reports_is_lost_unless_the_content_is_proven() -> None:
    failures = {"/a": "ciphertext verification failed"}

    assert (
        only(look([FILE], observed=[replace(FILE, sha256="bb")], failures=failures)).kind == "lost"
    )
    assert only(look([FILE], failures=failures)).kind == "lost"
    assert only(look([FILE], observed=[FILE], failures=failures)).kind == "metadata"


def test_a_restored_copy_that_cannot_be_read_proves_nothing() -> None:
    found = look([FILE], [replace(FILE, sha256=None, error="EIO")], [FILE])

    assert found.counts == {"could-not-verify": 1}
    assert (found.checked, found.total) == (0, 1)


@pytest.mark.parametrize(
    ("back", "name"),
    [
        ({"permissions": 0o600}, "mode"),
        ({"mtime_ns": AFTER}, "mtime"),
        ({"uid": 0, "gid": 0}, "uid and gid"),
    ],
)
def test_a_copy_that_lacks_what_was_recorded_is_metadata(back: dict[str, Any], name: str) -> None:
    finding = only(look([FILE], [replace(FILE, **back)], [FILE]))

    assert finding.kind == "metadata"
    assert finding.detail.endswith(f"does not carry its recorded {name}")


def test_what_takes_more_rights_is_skipped_and_counted() -> None:
    rights = Rights(owner=False, devices=False, namespaces=frozenset({"user"}))
    attributes = {"security.selinux": "00", "user.k": "76"}
    recorded = [FILE, replace(DIR, path="/dev", type="chardev", device=1)]
    back = [replace(FILE, uid=0, gid=0, attributes={"user.k": "76"})]
    live = [replace(FILE, attributes=attributes), recorded[1]]
    failures = {"/dev": "operation not permitted"}
    found = look(recorded, back, live, rights=rights, failures=failures)

    assert found.counts == {"identical": 2}
    assert list(found.skipped.values()) == [1, 1, 1]
    assert look(recorded, back, live).counts == {"lost": 1, "metadata": 1}


def test_a_proven_corruption_is_not_hidden_by_a_lacking_copy() -> None:
    found = look([FILE], [replace(FILE, uid=0)], [replace(FILE, sha256="bb")])

    assert found.counts == {"corrupted": 1}


def test_hard_links_are_compared_as_sets() -> None:
    pair = [replace(FILE, path="/x", inode=(1, 5)), replace(FILE, path="/y", inode=(1, 5))]
    other = [replace(entry, inode=(9, 3)) for entry in pair]
    apart = [replace(pair[0], inode=None), replace(pair[1], inode=None)]

    assert look(pair, pair, other).counts == {"identical": 2}
    assert look(pair, pair, apart).counts == {"identical": 1, "metadata": 1}
    assert look(pair, apart, other).counts == {"identical": 1, "metadata": 1}


def test_a_link_to_a_file_outside_is_no_difference() -> None:
    found = look([FILE], [FILE], [replace(FILE, inode=(1, 5))])

    assert found.counts == {"identical": 1}


def test_kinds_that_are_well_are_listed_up_to_a_limit_and_counted_whole() -> None:
    many = LISTED_PER_KIND + 5
    gone = [replace(FILE, path=f"/{number:03}") for number in range(many)]

    assert len(look(gone).findings) == LISTED_PER_KIND
    assert {"deleted": many} == look(gone).counts
    assert many == len(look(observed=gone).findings)


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
        compare([replace(FILE, path="/b"), FILE], [], [], taken_at=TAKEN_AT)


def test_a_live_file_that_was_not_read_never_passes_for_identical() -> None:
    with pytest.raises(AssertionError, match="was not read"):
        look([FILE], observed=[replace(FILE, sha256=None)])


def test_evidence_shows_every_side() -> None:
    finding = only(look([FILE], observed=[replace(FILE, sha256="bb")]))

    assert {"recorded", "restored", "live"} == finding.evidence.keys()
