"""Recorded answers of three releases, read into the same values."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from verifier.core.decision import Decision, GroupKey
from verifier.core.errors import CannotVerify
from verifier.restic import events

CASES = Path(__file__).parents[1] / "cases" / "restic"
RELEASES = ("0.14.0", "0.18.0", "0.19.1")
PACIFIC = timezone(timedelta(hours=-8))

every_release = pytest.mark.parametrize("release", RELEASES)


def recorded(release: str, name: str) -> tuple[int, bytes, bytes]:
    """Return status, standard output and standard error of a recorded call."""
    case: dict[str, Any] = json.loads((CASES / release / f"{name}.json").read_text("utf-8"))
    return case["status"], case["stdout"].encode(), case["stderr"].encode()


def stdout(release: str, name: str) -> bytes:
    """Return the standard output of a recorded call."""
    return recorded(release, name)[1]


def test_every_release_has_the_same_cases() -> None:
    names = {release: {p.name for p in (CASES / release).glob("*.json")} for release in RELEASES}

    assert len(names[RELEASES[0]]) > 30
    assert all(names[RELEASES[0]] == found for found in names.values())


@every_release
def test_version_is_the_release(release: str) -> None:
    assert release == events.parse_version(stdout(release, "version"))


@every_release
def test_repository_id_is_64_hex_digits(release: str) -> None:
    found = events.parse_repository_id(stdout(release, "cat-config"))

    assert 256 // 4 == len(bytes.fromhex(found).hex())


@every_release
def test_snapshots_carry_time_host_paths_and_tags(release: str) -> None:
    found = events.parse_snapshots(stdout(release, "snapshots"))

    assert [
        (datetime(2024, 1, 1, 4, 0, tzinfo=PACIFIC), "web1", ("/data/src/a",), ("t1",)),
        (datetime(2024, 1, 2, 4, 0, tzinfo=PACIFIC), "web1", ("/data/src/a",), ("t1",)),
        (datetime(2024, 1, 2, 4, 1, tzinfo=PACIFIC), "db1", ("/data/src/b",), ()),
        (datetime(2024, 1, 3, 4, 1, tzinfo=PACIFIC), "db1", ("/data/src/b",), ()),
    ] == [(s.taken_at, s.host, s.paths, s.tags) for s in found[:4]]
    assert all(s.taken_at.utcoffset() == timedelta(hours=-8) for s in found)


@every_release
@pytest.mark.parametrize("name", ["snapshots-empty", "snapshots-none-match"])
def test_an_empty_repository_has_no_snapshots(release: str, name: str) -> None:
    assert () == events.parse_snapshots(stdout(release, name))


def test_no_output_at_all_is_no_snapshot() -> None:
    assert () == events.parse_snapshots(b"")
    assert () == events.parse_snapshots(b"null\n")


@every_release
def test_a_decision_has_its_groups_by_key(release: str) -> None:
    decision = events.parse_forget(stdout(release, "forget"))

    keys = [group.key for group in decision.groups]

    assert sorted(keys) == keys
    assert GroupKey("web1", ("/data/src/a",)) in keys


@every_release
def test_a_decision_keeps_the_newest_with_its_reason(release: str) -> None:
    decision = events.parse_forget(stdout(release, "forget"))

    web1 = next(group for group in decision.groups if group.key.host == "web1")

    assert [datetime(2024, 1, 2, 4, 0, tzinfo=PACIFIC)] == [s.taken_at for s in web1.keep]
    assert (("last snapshot",),) == web1.reasons
    assert [datetime(2024, 1, 1, 4, 0, tzinfo=PACIFIC)] == [s.taken_at for s in web1.remove]


@every_release
def test_one_group_has_an_empty_key(release: str) -> None:
    decision = events.parse_forget(stdout(release, "forget-one-group"))

    (group,) = decision.groups

    assert GroupKey() == group.key
    assert ("has tags [t1]",) == group.reasons[-1][:1]


@every_release
@pytest.mark.parametrize("name", ["forget-empty", "forget-none-match"])
def test_no_snapshot_is_no_group(release: str, name: str) -> None:
    assert Decision(()) == events.parse_forget(stdout(release, name))


@every_release
def test_prune_text_after_a_decision_is_passed_over(release: str) -> None:
    text = stdout(release, "forget-prune")

    assert b"\n" in text.strip()
    assert events.parse_forget(text).removed()


def test_a_group_that_is_wiped_keeps_nothing() -> None:
    """0.14 empties a group where later releases refuse."""
    decision = events.parse_forget(stdout("0.14.0", "forget-refused"))

    assert () == tuple(decision.kept())
    assert decision.removed()


@pytest.mark.parametrize("release", ["0.18.0", "0.19.1"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("forget-refused", "refusing to delete last snapshot of snapshot group"),
        ("forget-no-policy", "no policy was specified, no snapshots will be removed"),
    ],
)
def test_a_refusal_is_restics_own_sentence(release: str, name: str, sentence: str) -> None:
    assert events.parse_refusal(recorded(release, name)[2]).startswith(sentence)


@every_release
def test_another_error_is_no_refusal(release: str) -> None:
    assert "" == events.parse_refusal(recorded(release, "wrong-flag")[2])


@every_release
@pytest.mark.parametrize("name", ["backup", "backup-quiet"])
def test_a_backup_says_which_snapshot_it_made(release: str, name: str) -> None:
    done = events.parse_backup(*recorded(release, name))

    ids = [s.id for s in events.parse_snapshots(stdout(release, "snapshots"))]

    assert done.complete
    assert [done.snapshot[:8]] == [i[:8] for i in ids if i.startswith(done.snapshot)]


@every_release
def test_a_backup_counts_files_and_bytes(release: str) -> None:
    first = events.parse_backup(*recorded(release, "backup"))
    again = events.parse_backup(*recorded(release, "backup-again"))

    assert (2, 0, 8) == (first.files_new, first.files_unmodified, first.processed_bytes)
    assert (0, 2, 8) == (again.files_new, again.files_unmodified, again.processed_bytes)
    assert first.added_bytes > 0 == again.added_bytes


@every_release
def test_a_source_that_is_not_there_makes_a_backup_incomplete(release: str) -> None:
    done = events.parse_backup(*recorded(release, "backup-missing"))

    assert not done.complete
    assert "src/gone does not exist, skipping" in done.messages


@every_release
def test_a_good_restore_has_no_errors(release: str) -> None:
    status, _, stderr = recorded(release, "restore")

    assert () == events.parse_restore(status, stderr).errors


@every_release
def test_a_damaged_restore_names_what_failed(release: str) -> None:
    status, _, stderr = recorded(release, "restore-damaged")

    assert any(
        "ciphertext verification failed" in e for e in events.parse_restore(status, stderr).errors
    )


@every_release
def test_a_sound_repository_checks_clean(release: str) -> None:
    assert () == events.parse_check(*recorded(release, "check")).errors


@every_release
def test_a_damaged_repository_does_not_check_clean(release: str) -> None:
    assert events.parse_check(*recorded(release, "check-damaged")).errors


@every_release
def test_a_failure_without_words_is_still_one(release: str) -> None:
    assert events.parse_check(1, b"", b"").errors
    assert events.parse_restore(1, b"").errors


@every_release
def test_ls_lists_every_node_with_its_path(release: str) -> None:
    found = tuple(events.parse_ls(stdout(release, "ls")))

    assert ("/src/b/zero", "file", 3000) == (found[-1].path, found[-1].type, found[-1].size_bytes)
    assert ["dir", "dir", "file"] == [node.type for node in found]


@every_release
def test_stats_are_sizes_and_counts(release: str) -> None:
    restored = events.parse_stats(stdout(release, "stats"))
    stored = events.parse_stats(stdout(release, "stats-raw"))

    assert restored.files > 0 == stored.files
    assert restored.size_bytes > stored.size_bytes > 0


@every_release
@pytest.mark.parametrize("name", ["wrong-password", "restore-no-snapshot", "locked", "disk-full"])
def test_messages_are_text_whatever_the_release(release: str, name: str) -> None:
    said = tuple(events.messages(recorded(release, name)[2]))

    assert said
    assert not any("{" in line or "message_type" in line for line in said)


@pytest.mark.parametrize("line", [b"{", b"{}", b'{"message": 1}', b"{]", b"[]", b'{"error": null}'])
def test_a_message_of_unknown_form_is_shown_as_it_is(line: bytes) -> None:
    assert [line.decode()] == list(events.messages(line))


@pytest.mark.parametrize(
    "parse",
    [
        events.parse_version,
        events.parse_repository_id,
        events.parse_snapshots,
        events.parse_forget,
        events.parse_stats,
        lambda text: events.parse_backup(0, text, b""),
    ],
)
@pytest.mark.parametrize(
    "text", [b"nonsense", b"{", b'{"a": 1}', b'[{"keep": [1]}]', b"\xff\xfe", b"[[]]", b"[1]"]
)
def test_an_answer_that_is_not_understood_is_no_answer(
    parse: Callable[[bytes], object], text: bytes
) -> None:
    with pytest.raises(CannotVerify, match="was not understood"):
        parse(text)


def test_reasons_are_one_for_every_kept_snapshot() -> None:
    kept = {"id": "a", "time": "2024-01-01T04:00:00Z", "hostname": "web1", "paths": ["/"]}
    text = json.dumps([{"keep": [kept], "remove": None, "reasons": None}]).encode()

    with pytest.raises(CannotVerify):
        events.parse_forget(text)
