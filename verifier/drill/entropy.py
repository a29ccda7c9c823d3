"""Whether content can be compressed: from the index where restic compressed it, else measured.

Repository version 2 states of every compressed blob how long it was: no byte need be read. Blobs
of version 1, and of `--compression off`, are read, a bounded number of them.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Sequence

import zstandard

from verifier.reader.repository import Repository

COMPRESSIBLE = 0.80
"""A file whose stored share is at most this has structure: text, tables, pages, programs."""

SCRAMBLED = 0.97
"""A file whose stored share is at least this has none: encrypted, or compressed already."""

LEAST_BYTES = 1024
"""Shorter content cannot be told apart: what compression adds to it weighs too much."""

HEAD_BYTES = 1 << 16
"""How much of a blob is measured where it has to be read."""

ARCHIVE_BYTES = 1 << 20
"""How much of a seeming archive is unpacked: bzip2 gives nothing before a block is whole."""

ARCHIVE_GAIN = 1.2
"""An archive is what unpacks to so many times its length; wrapped noise does not."""


class Compressibility:
    """Measures files of one repository by their blobs.

    Args:
        reads: blobs that may be read in all; nothing is known of a file that would need more.
    """

    def __init__(self, repository: Repository, *, reads: int) -> None:
        self._repository = repository
        self.reads_left = reads

    def share(self, content: Sequence[str]) -> float | None:
        """Return which share of a file's bytes stays when it is compressed; none if unknown."""
        stored_bytes = plain_bytes = 0
        for blob_id in content:
            copies = self._repository.index.find(blob_id)
            if not copies:
                return None
            if not copies[0].plain_length:
                # Nothing compressed it. Its first blob stands for the whole file.
                head = self.head(content)
                return None if head is None else measured_share(head)
            stored_bytes += copies[0].length
            plain_bytes += copies[0].plain_length
        return stored_bytes / plain_bytes if plain_bytes else None

    def head(self, content: Sequence[str], length: int = HEAD_BYTES) -> bytes | None:
        """Return how a file begins; none if it cannot be read, or no read is left."""
        if not content or self.reads_left <= 0:
            return None
        self.reads_left -= 1
        found = self._repository.blob(content[0])
        return found[:length] if isinstance(found, bytes) else None


def measured_share(content: bytes) -> float | None:
    """Return which share of some bytes stays when they are compressed as restic does it."""
    if not content:
        return None
    return len(zstandard.ZstdCompressor(level=1).compress(content)) / len(content)


def is_archive(head: bytes) -> bool:
    """Tell whether content that begins so is an archive of something that has structure.

    What was encrypted and then wrapped to look like an archive unpacks to noise, and is none.
    """
    for magic, unpack in _FORMATS:
        if head.startswith(magic):
            try:
                return len(unpack(head, _GAIN_MAX * len(head))) >= ARCHIVE_GAIN * len(head)
            except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, struct.error):
                return False
            except zstandard.ZstdError:
                return False
    return False


_GAIN_MAX = 4
"""How far content is unpacked: a bomb is not let go off."""


def _gzip(head: bytes, most: int) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(head, most)


def _bzip2(head: bytes, most: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(head, most)


def _xz(head: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=256 << 20).decompress(head, most)


def _zstd(head: bytes, most: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(head) as stream:
        return stream.read(most)


def _zip(head: bytes, most: int) -> bytes:
    # Members that are stored, as the first of an office document is, are passed over.
    at = 0
    while at >= 0:
        method = struct.unpack_from("<H", head, at + 8)[0]
        name_bytes, extra_bytes = struct.unpack_from("<HH", head, at + 26)
        body = at + 30 + name_bytes + extra_bytes
        if method:
            # What was passed over does not count as gained.
            return zlib.decompressobj(wbits=-15).decompress(head[body:], most)
        at = head.find(b"PK\3\4", body)
    return b""


_FORMATS: tuple[tuple[bytes, Callable[[bytes, int], bytes]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\0", _xz),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"PK\3\4", _zip),
)
