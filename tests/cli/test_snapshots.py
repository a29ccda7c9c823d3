"""What `plan` takes for a list of snapshots, and how it names the one that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verifier.cli.snapshots import read_snapshots
from verifier.core.errors import UsageError

GOOD = {"id": "a" * 64, "time": "2024-01-01T04:00:00.123456789-08:00", "hostname": "web1"}
GOOD |= {"paths": ["/srv"], "tags": None}
OTHER = {**GOOD, "id": "b" * 64, "paths": ["/etc"]}


def _file(folder: Path, text: str | bytes) -> str:
    file = folder / "snapshots.json"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(file)


@pytest.mark.parametrize("text", ["", "\n", "null", "[]"])
def test_no_snapshot_is_no_error(text: str, tmp_path: Path) -> None:
    assert () == read_snapshots(_file(tmp_path, text))


def test_snapshots_are_read_as_restic_lists_them(tmp_path: Path) -> None:
    found = read_snapshots(_file(tmp_path, json.dumps([GOOD, OTHER])))

    assert ["a" * 64, "b" * 64] == [snapshot.id for snapshot in found]
    assert ("web1", ("/srv",), ()) == (found[0].host, found[0].paths, found[0].tags)


def test_groups_are_opened(tmp_path: Path) -> None:
    groups = [
        {"group_key": {"hostname": "web1"}, "snapshots": [GOOD]},
        {"group_key": {"hostname": "db1"}, "snapshots": None},
        {"group_key": {"hostname": "mail1"}, "snapshots": [OTHER]},
    ]

    assert 2 == len(read_snapshots(_file(tmp_path, json.dumps(groups))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds no list of snapshots"),
        ('"text"', "holds no list of snapshots"),
        ("0", "holds no list of snapshots"),
        ("[", "is not JSON"),
        (b"\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_another_file_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_snapshots(_file(tmp_path, text))


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (None, "it is no object"),
        ([], "it is no object"),
        ({}, "it has no id"),
        ({"id": "a"}, "it has no time"),
        ({**GOOD, "time": 5}, "it has no time"),
        ({**GOOD, "time": "yesterday"}, "yesterday"),
        ({**GOOD, "time": "2024-01-01T04:00:00"}, "no UTC offset"),
        ({**GOOD, "time": "0000-01-01T04:00:00Z"}, "year 0"),
        ({**GOOD, "paths": "/srv"}, "its paths are no list"),
        ({**GOOD, "tags": {"a": 1}}, "its tags are no list"),
        ({**GOOD, "summary": 5}, "is not as restic prints it"),
        ({"group_key": {}, "snapshots": 5}, "it has no id"),
    ],
)
def test_a_malformed_snapshot_is_named_by_its_place(
    element: object, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        read_snapshots(_file(tmp_path, json.dumps([GOOD, element, OTHER])))

    assert "snapshot 2 of 3 is not as restic prints it" in refused.value.message


def test_places_are_counted_through_groups(tmp_path: Path) -> None:
    groups = [{"group_key": {}, "snapshots": [GOOD]}, {"group_key": {}, "snapshots": [OTHER, {}]}]
    with pytest.raises(UsageError, match="snapshot 3 of 3"):
        read_snapshots(_file(tmp_path, json.dumps(groups)))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        read_snapshots(str(tmp_path))
