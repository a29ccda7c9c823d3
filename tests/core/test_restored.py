"""A restored sample against its record: every kind with what makes it, and what makes none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from verifier.core.align import Comparison
from verifier.core.entry import Entry, Rights, path_order
from verifier.core.finding import Finding
from verifier.core.restored import compare_restored

FILE = Entry(
    path="/a",
    type="file",
    size=3,
    permissions=0o644,
    uid=7,
    gid=8,
    mtime_ns=5,
    ctime_ns=5,
    sha256="aa",
    attributes={},
)
DIR = replace(FILE, type="dir", sha256=None, permissions=0o755)
LINK = replace(FILE, type="symlink", sha256=None, linktarget="x")


def look(recorded: Iterable[Entry], restored: Iterable[Entry], **options: Any) -> Comparison:
    sides = (sorted(s, key=lambda entry: path_order(entry.path)) for s in (recorded, restored))
    return compare_restored(*sides, **options)


def only(found: Comparison) -> Finding:
    (finding,) = found.findings
    return finding


def test_what_came_back_as_it_was_recorded_is_identical() -> None:
    found = look([FILE, replace(DIR, path="/d")], [FILE, replace(DIR, path="/d", ctime_ns=99)])

    assert {"identical": 2} == found.counts
    assert () == found.findings


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
    assert {"lost": 1} == look([FILE], back).counts


def test_a_failure_that_restic_reports_is_lost_unless_the_content_is_proven() -> None:
    failures = {"/a": "ciphertext verification failed"}

    assert "lost" == only(look([FILE], [replace(FILE, sha256=None)], failures=failures)).kind
    assert "metadata" == only(look([FILE], [FILE], failures=failures)).kind


def test_a_restored_copy_that_cannot_be_read_proves_nothing() -> None:
    found = look([FILE], [replace(FILE, sha256=None, error="EIO")])

    assert {"could-not-verify": 1} == found.counts
    assert (0, 1) == (found.checked, found.total)


@pytest.mark.parametrize(
    ("entry", "back", "name"),
    [
        (FILE, {"permissions": 0o600}, "mode"),
        (FILE, {"permissions": 0o4644}, "mode"),
        (FILE, {"mtime_ns": 6}, "mtime"),
        (FILE, {"uid": 0, "gid": 0}, "uid and gid"),
        (FILE, {"attributes": {"user.k": "76"}}, "extended attributes"),
        (LINK, {"linktarget": "y"}, "link target"),
        (replace(DIR, type="chardev", device=1), {"device": 2}, "device number"),
    ],
)
def test_a_copy_that_lacks_what_was_recorded_is_metadata(
    entry: Entry, back: dict[str, Any], name: str
) -> None:
    finding = only(look([entry], [replace(entry, **back)]))

    assert "metadata" == finding.kind
    assert finding.detail.endswith(f"does not carry its recorded {name}")


def test_a_symlinks_mode_says_nothing() -> None:
    assert {"identical": 1} == look([LINK], [replace(LINK, permissions=0o777)]).counts


def test_what_takes_more_rights_is_skipped_and_counted() -> None:
    rights = Rights(owner=False, devices=False, namespaces=frozenset({"user"}))
    attributes = {"security.selinux": "00", "user.k": "76"}
    recorded = [
        replace(FILE, attributes=attributes, permissions=0o4644),
        replace(DIR, path="/dev", type="chardev", device=1),
    ]
    back = [replace(FILE, uid=0, gid=0, attributes={"user.k": "76"})]
    failures = {"/dev": "operation not permitted"}
    found = look(recorded, back, rights=rights, failures=failures)

    assert {"identical": 1} == found.counts
    assert [1, 1, 1] == list(found.skipped.values())
    assert {"lost": 1, "metadata": 1} == look(recorded, back).counts


def test_hard_links_are_compared_as_sets() -> None:
    pair = [replace(FILE, path="/x", inode=(1, 5)), replace(FILE, path="/y", inode=(1, 5))]
    other = [replace(entry, inode=(9, 3)) for entry in pair]
    apart = [replace(entry, inode=None) for entry in pair]

    assert {"identical": 2} == look(pair, other).counts
    assert {"identical": 1, "metadata": 1} == look(pair, apart).counts


def test_what_the_snapshot_does_not_list_is_told() -> None:
    finding = only(look([], [FILE]))

    assert ("metadata", "/a") == (finding.kind, finding.subject)
