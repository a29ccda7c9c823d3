from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.reader.damage import Flaw
from verifier.reader.index import Packed, merge, parse_index
from verifier.reader.pack import Blob

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
NUMBERS = st.integers(0, (1 << 32) - 1)
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


@given(st.lists(BLOBS, unique_by=lambda blob: blob.id))
def test_every_blob_that_went_in_is_found(blobs):
    index = merge([Packed(((blob.pack, (blob,)),)) for blob in blobs])

    assert len(blobs) == len(index)
    assert sorted(blobs, key=lambda blob: blob.id) == list(index)
    for blob in blobs:
        assert index.find(blob.id) == (blob,)
        assert blob.id in index


@given(st.lists(BLOBS, unique_by=lambda blob: blob.id), HEX)
def test_what_did_not_go_in_is_not_found(blobs, other):
    index = merge([Packed(((blob.pack, (blob,)),)) for blob in blobs if blob.id != other])

    assert index.find(other) == ()
    assert other not in index


def test_copies_in_two_packs_are_both_found_and_repeats_once():
    here = Blob("c" * 64, "data", "a" * 64, 0, 40, 0)
    there = Blob("c" * 64, "data", "b" * 64, 9, 40, 0)
    packed = Packed((("a" * 64, (here,)), ("b" * 64, (there,))))

    assert merge([packed, packed]).find("c" * 64) == (here, there)


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
