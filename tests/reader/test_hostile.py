"""Repositories written by someone who holds the key and means harm: answered, never obeyed."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.core.errors import NoKeyOpens, RepositoryUnreadable
from verifier.reader import repository as repository_room
from verifier.reader import verify as verify_room
from verifier.reader.damage import Damage
from verifier.reader.repository import Config, open_repository
from verifier.reader.storage import pack_name
from verifier.reader.verify import verify

FIELDS = ["time", "tree", "paths", "hostname", "tags", "summary", "backup_start", "version", "id"]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\ud800", "a" * 64]
    )
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=len(FIELDS))
    ),
    max_leaves=12,
)


def index_with(made, **changes: object) -> bytes:
    """Return an index that lists a further blob in a pack that is there."""
    pack = open_repository(made.root, made.password).index.packs[0]
    blob = {"id": "c" * 64, "type": "data", "offset": 0, "length": 40} | changes
    return json.dumps({"packs": [{"id": pack, "blobs": [blob]}]}).encode()


@pytest.mark.parametrize("read_data", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"length": (1 << 32) - 1},
        {"offset": (1 << 32) - 1},
        {"length": 0},
        {"length": 10},
        {"uncompressed_length": (1 << 32) - 1},
        {"type": "tree", "length": (1 << 32) - 1},
    ],
)
def test_index_that_lists_the_impossible_costs_no_memory(
    tiny_copy, store_sealed, changes, read_data
):
    made = tiny_copy
    assert not verify(open_repository(made.root, made.password), read_data=read_data).damages

    store_sealed(made, "index", index_with(made, **changes))
    tracemalloc.start()
    result = verify(open_repository(made.root, made.password), read_data=read_data)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert result.damages
    assert not result.lost
    assert peak_bytes < 16 << 20


@given(document=JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_snapshot_file_crashes(tiny_copy, store_sealed, document):
    made = tiny_copy
    name = store_sealed(made, "snapshots", json.dumps(document).encode())
    repository = open_repository(made.root, made.password)
    found = [s for s in repository.snapshots() if name.endswith(s.id)]

    assert len(repository.snapshots()) + len(repository.damages()) == 2
    assert found or name == repository.damages()[0].file

    verify(repository, read_data=False)
    (made.root / name).unlink()


@given(document=JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_config_crashes(tiny_copy, store_sealed, document):
    made = tiny_copy
    name = store_sealed(made, "snapshots", json.dumps(document).encode())
    (made.root / name).replace(made.root / "config")

    assert isinstance(open_repository(made.root, made.password).config, Config | Damage)


def test_only_so_many_keys_are_tried(tiny_copy):
    made = tiny_copy
    (key,) = (made.root / "keys").iterdir()
    for number in range(repository_room.MAX_KEYS_TRIED):
        (made.root / "keys" / f"{number:064x}").write_text("{}")
    if key.name < f"{repository_room.MAX_KEYS_TRIED:064x}":
        pytest.fail("the sound key sorts among the junk: no such SHA-256 was expected")
    with pytest.raises(RepositoryUnreadable) as error:
        open_repository(made.root, made.password)

    assert not isinstance(error.value, NoKeyOpens)

    (made.root / "keys" / f"{0:064x}").unlink()

    assert open_repository(made.root, made.password).snapshots()


def test_list_of_lost_files_ends_at_its_limit(tiny_copy, monkeypatch):
    made = tiny_copy
    (made.root / pack_name(open_repository(made.root, made.password).index.packs[0])).unlink()

    assert verify(open_repository(made.root, made.password), read_data=False).listed_all

    monkeypatch.setattr(verify_room, "MAX_LISTED", 0)

    assert not verify(open_repository(made.root, made.password), read_data=False).listed_all


def test_error_in_another_process_arrives_whole(tiny_copy):
    made = tiny_copy
    repository = open_repository(made.root, made.password)
    path = made.root / pack_name(repository.index.packs[0])
    path.unlink()
    path.symlink_to(path.name)
    with ProcessPoolExecutor(1) as executor, pytest.raises(RepositoryUnreadable) as error:
        verify(repository, read_data=True, executor=executor)

    assert error.value.subject == str(path)
    assert error.value.remedy
