from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.reader.test_index import index_of
from verifier.reader.marks import Marks
from verifier.reader.pack import Blob

IDS = [f"{number:064x}" for number in range(8)]
LISTED = [Blob(blob_id, "data", "a" * 64, 0, 40, 0) for blob_id in IDS[::2]]
CHANGES = st.lists(st.tuples(st.sampled_from(IDS), st.booleans() | st.none()))


@given(CHANGES)
def test_marks_are_a_dict_of_blobs(changes):
    marks, expected = Marks(index_of(*LISTED)), dict[str, bool]()
    for blob_id, mark in changes:
        if mark is None:
            assert marks.pop(blob_id, None) == expected.pop(blob_id, None)
        else:
            marks[blob_id] = expected[blob_id] = mark

    assert expected == dict(marks)
    assert len(expected) == len(marks)
