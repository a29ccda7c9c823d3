from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.entries import decode, header_bytes
from verifier.reader.index import Index, Packed, merge, parse_index
from verifier.reader.pack import Blob

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
NUMBERS = st.integers(32, (1 << 32) - 1)
BLOBS = st.builds(
    Blob,
    id=HEX,
    type=st.sampled_from(["data", "tree"]),
    pack=st.sampled_from(["a" * 64, "b" * 64]),
    offset=NUMBERS,
    length=NUMBERS,
    plain_length=NUMBERS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | HEX,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["packs", "blobs", "id", "type", "offset", "length", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def index_json(**changes: object) -> bytes:
    blob = {"id": "c" * 64, "type": "data", "offset": 0, "length": 40} | changes
    return json.dumps({"packs": [{"id": "a" * 64, "blobs": [blob]}]}).encode()


def packed(*blobs: Blob) -> Packed:
    """Return what an index file says that lists these blobs."""
    packs: dict[str, list[dict[str, object]]] = {}
    for b in blobs:
        lengths = {"offset": b.offset, "length": b.length, "uncompressed_length": b.plain_length}
        packs.setdefault(b.pack, []).append({"id": b.id, "type": b.type} | lengths)
    listed = [{"id": pack, "blobs": entries} for pack, entries in packs.items()]
    found = parse_index(json.dumps({"packs": listed}).encode())

    assert isinstance(found, Packed)

    return found


def index_of(*blobs: Blob) -> Index:
    return merge([packed(blob) for blob in blobs])


@given(st.lists(BLOBS, unique_by=lambda blob: blob.id))
def test_every_blob_that_went_in_is_found(blobs):
    index = index_of(*blobs)

    assert len(blobs) == len(index)
    assert sorted(blobs, key=lambda blob: blob.id) == list(index)
    for blob in blobs:
        assert index.find(blob.id) == (blob,)
        assert blob.id in index
        assert blob.size_bytes == index.size_bytes(blob.id)
        assert index[index.number(blob.id) or 0] == blob


@given(st.lists(BLOBS, unique_by=lambda blob: blob.id), HEX)
def test_what_did_not_go_in_is_not_found(blobs, other):
    index = index_of(*(blob for blob in blobs if blob.id != other))

    assert index.find(other) == ()
    assert other not in index
    assert index.number(other) is None
    assert index.size_bytes(other) is None


@given(st.lists(BLOBS))
def test_pack_holds_what_all_index_files_list_in_it(blobs):
    index = index_of(*blobs)

    assert set(index.packs) == {blob.pack for blob in blobs}
    for number, pack in enumerate(index.packs):
        listed = [blob for blob in blobs if blob.pack == pack]

        assert set(listed) == set(found := list(decode(index.entries(pack), pack)))
        assert len(found) == len(set(found))
        assert index.pack_number(pack) == number
        end = max(blob.offset + blob.length for blob in listed)
        assert index.pack_bytes(pack) == end + header_bytes(index.entries(pack))


def test_pack_that_is_not_listed_holds_nothing():
    index = index_of()

    assert index.entries("a" * 64) == b""
    assert index.pack_number("a" * 64) is None


def test_copies_in_two_packs_are_both_found_and_repeats_once():
    here = Blob("c" * 64, "data", "a" * 64, 0, 40, 0)
    there = Blob("c" * 64, "data", "b" * 64, 9, 40, 0)

    assert merge([packed(here, there)] * 2).find("c" * 64) == (here, there)


def test_thousands_of_blobs_are_found_by_their_number():
    """So many that their IDs fall into slots, with some prefixes that hold none and many."""
    rng = random.Random(5)
    ids = [rng.randbytes(32).hex() for _ in range(3_000)]
    ids += [("5" * 12 + rng.randbytes(26).hex()) for _ in range(1_000)]
    index = index_of(*(Blob(i, "data", "a" * 64, 0, n + 32, 0) for n, i in enumerate(ids)))

    assert list(range(len(ids))) == [index.size_bytes(blob_id) for blob_id in ids]
    assert sorted(ids) == [blob.id for blob in index]


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "C" * 64},
        {"id": None},
        {"id": "c" * 63},
        {"type": "other"},
        {"type": []},
        {"offset": -1},
        {"offset": 1 << 32},
        {"length": 1.0},
        {"length": True},
        {"uncompressed_length": "9"},
    ],
)
def test_blob_of_another_shape_flaws_its_index(changes):
    assert isinstance(parse_index(index_json()), Packed)
    assert isinstance(parse_index(index_json(**changes)), Flaw)


@given(JSON)
def test_no_json_crashes_the_index_parser(document):
    parse_index(json.dumps(document).encode())
    parse_index(json.dumps({"packs": document}).encode())
    parse_index(json.dumps({"packs": [{"id": "a" * 64, "blobs": document}]}).encode())
