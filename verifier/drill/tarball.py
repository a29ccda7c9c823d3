"""Whether a tar stream is whole: each header's sum, each member's length, and the end mark.

Python's own tarfile takes a damaged header in the middle for the end of the archive and says
nothing, so this reads the blocks itself. Source: POSIX `pax`, and the GNU tar manual's "Basic Tar
Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BLOCK = 512
_READ_BYTES = 1 << 18
_RECORDS_MAX = 1 << 20
_END = bytes(_BLOCK)
_WITHOUT_DATA = b"123456"
_SUM = re.compile(rb" *([0-7]{1,8})[ \0]*\Z")
_PAX_SIZE = re.compile(rb"(?:^|\n)\d+ size=(\d+)\n")


class Refused(Exception):
    """The file is damaged; never leaves the child process."""


class Stream:
    """Content that comes in pieces of any length, read in those that are asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def read(self, size_bytes: int) -> bytes:
        """Return the next so many bytes, or as many as there are."""
        while len(self._held) < size_bytes:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        found = bytes(self._held[:size_bytes])
        del self._held[:size_bytes]
        return found

    def exhaust(self) -> None:
        """Read to the end: the sum over all of it stands there."""
        for _ in self._pieces:
            self._held.clear()


def is_tar(start: bytes) -> bool:
    """Say whether a file that starts so is a tar: by its word, or, before 1988, by its sum."""
    if len(start) < _BLOCK:
        return False
    return start[257:262] == b"ustar" or (start != _END and _has_sum(start))


def read_tar(header: bytes, stream: Stream) -> None:
    """Read an archive from its first header, already read, to its end mark.

    Raises:
        Refused: it is damaged, or ends too early.
    """
    count = 0
    size_bytes: int | None = None
    while header != _END:
        if len(header) < _BLOCK:
            raise Refused(f"it ends after {count} members without an end mark")
        _check_sum(header, count)
        kind = header[156:157]
        own = _number(header[124:136], count)
        if kind == b"x":
            size_bytes = _pax_size(_data(stream, own, count))
        elif kind in b"gLK" and kind:
            _skip(stream, own, count)
        else:
            _skip_sparse_maps(header, stream, count)
            if kind not in _WITHOUT_DATA or not kind:
                _skip(stream, own if size_bytes is None else size_bytes, count)
            size_bytes = None
            count += 1
        header = stream.read(_BLOCK)


def _check_sum(header: bytes, count: int) -> None:
    if not _has_sum(header):
        raise Refused(f"the header of member {count + 1} is damaged")


def _has_sum(header: bytes) -> bool:
    told = _SUM.match(header[148:156])
    blank = header[:148] + b" " * 8 + header[156:]
    # Some very old programs summed the bytes as signed ones.
    signed = sum(byte - 256 if byte > 127 else byte for byte in blank)
    return told is not None and int(told[1], 8) in (sum(blank), signed)


def _number(digits: bytes, count: int) -> int:
    if digits[0] & 0x80:
        # Base 256, for what eleven octal digits do not hold.
        return int.from_bytes(bytes([digits[0] & 0x7F]) + digits[1:], "big")
    text = digits.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise Refused(f"the header of member {count + 1} is damaged") from None


def _pax_size(records: bytes) -> int | None:
    found = _PAX_SIZE.search(records)
    return int(found[1]) if found else None


def _skip_sparse_maps(header: bytes, stream: Stream, count: int) -> None:
    further = header[156:157] == b"S" and header[482]
    while further:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise Refused(f"it ends in the middle of member {count + 1}")
        further = block[504]


def _data(stream: Stream, size_bytes: int, count: int) -> bytes:
    if size_bytes > _RECORDS_MAX:
        raise Refused(f"the records of member {count + 1} are longer than any are")
    data = stream.read(-(-size_bytes // _BLOCK) * _BLOCK)
    if len(data) < size_bytes:
        raise Refused(f"it ends in the middle of member {count + 1}")
    return data[:size_bytes]


def _skip(stream: Stream, size_bytes: int, count: int) -> None:
    left = -(-size_bytes // _BLOCK) * _BLOCK
    while left:
        block = stream.read(min(left, _READ_BYTES))
        if not block:
            raise Refused(f"it ends in the middle of member {count + 1}")
        left -= len(block)
