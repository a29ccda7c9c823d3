"""A yes or no for blobs of an index, a byte each: what a hundred million of them would not fit into
as keys of a dict.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from verifier.reader.index import Index

_NONE, _NO, _YES = range(3)


class Marks(MutableMapping[str, bool]):
    """Blob ID -> yes or no; a blob that was not asked about has neither.

    IDs that the index does not list are kept too, as a dict would.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._marks = bytearray(len(index))
        self._unlisted: dict[str, bool] = {}

    def __getitem__(self, blob_id: str) -> bool:
        number = self._index.number(blob_id)
        if number is None:
            return self._unlisted[blob_id]
        if self._marks[number] == _NONE:
            raise KeyError(blob_id)
        return self._marks[number] == _YES

    def __setitem__(self, blob_id: str, mark: bool) -> None:
        number = self._index.number(blob_id)
        if number is None:
            self._unlisted[blob_id] = mark
        else:
            self._marks[number] = _YES if mark else _NO

    def __delitem__(self, blob_id: str) -> None:
        if blob_id not in self:
            raise KeyError(blob_id)
        number = self._index.number(blob_id)
        if number is None:
            del self._unlisted[blob_id]
        else:
            self._marks[number] = _NONE

    def __iter__(self) -> Iterator[str]:
        yield from (self._index[n].id for n, mark in enumerate(self._marks) if mark)
        yield from self._unlisted

    def __len__(self) -> int:
        return len(self._marks) - self._marks.count(_NONE) + len(self._unlisted)
