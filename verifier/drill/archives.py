"""Whether an archive is whole: everything in it is read to its end, and nothing is kept.

What it is follows from its first bytes, and from its name where those say nothing. A compressed
tar is checked in both layers. Runs where `wholeness` runs.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from verifier.drill.tarball import Refused, Stream, is_tar, read_tar

_BLOCK_BYTES = 1 << 18
_FEED_BYTES = 1 << 10
"""Of zstd at once: even if each of its blocks stands for 128 KiB of zeros, they fit in memory."""

_WINDOW_BYTES = 1 << 29
"""Of zstd: `--long=29`. A longer window takes more memory than a check has."""

_EMPTY_TAR_BYTES = 10_240
"""A tar of nothing is one record of zeros."""

MAGIC: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}

_BEYOND_ZSTD = re.compile("too much memory|not enough memory|Dictionary mismatch")
"""What zstd says of a frame that needs more memory than it may have, or a dictionary."""

_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""How a frame of zstd begins that holds no content; `pzstd` puts one before each other."""

_ENCRYPTED_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""An office document with a password is no zip any more."""

NAMES: Mapping[str, str] = {
    ".tar": "tar",
    ".gz": "gzip",
    ".tgz": "gzip",
    ".bz2": "bzip2",
    ".tbz2": "bzip2",
    ".xz": "xz",
    ".txz": "xz",
    ".zst": "zstd",
    ".tzst": "zstd",
    ".zip": "zip",
    ".jar": "zip",
    ".whl": "zip",
    ".docx": "zip",
    ".xlsx": "zip",
    ".odt": "zip",
    ".ods": "zip",
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Undecided(Exception):
    """The check cannot say; never leaves the child process."""


def check_archive(path: Path) -> None:
    """Read an archive to its end.

    Raises:
        Refused: it is damaged, or ends too early.
        Undecided: it is encrypted, or of a kind that is not known here.
        OSError: the file itself cannot be read.
    """
    kind = find_kind(path)
    named = NAMES.get(path.suffix.lower(), "")
    # A program before its members makes a zip that unpacks itself: jar files of servers are such.
    if kind == "zip" or (named == "zip" and zipfile.is_zipfile(path)):
        _check_zip(path)
    elif kind in _OPEN:
        _check_stream(path, kind)
    elif not named:
        raise Undecided("it is no kind of archive that is checked here")
    elif not _is_empty_tar(path, named):
        _refuse_start(path)


def find_kind(path: Path) -> str:
    """Return what a file's first bytes say that it is; empty where they say nothing."""
    with path.open("rb") as stream:
        start = stream.read(512)
    if is_tar(start):
        return "tar"
    if _SKIPPABLE.match(start):
        return "zstd"
    return next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "")


def _is_empty_tar(path: Path, named: str) -> bool:
    small = named == "tar" and 2 * 512 <= path.stat().st_size <= _EMPTY_TAR_BYTES
    return small and not any(path.read_bytes())


def _refuse_start(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(len(_ENCRYPTED_OFFICE))
    if start == _ENCRYPTED_OFFICE:
        raise Undecided("it is encrypted, or of an older kind than its name says")
    raise Refused(f"it does not begin as a {path.suffix} file does")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except NotImplementedError as error:
        raise Undecided(str(error)) from None
    except RuntimeError as error:
        raise Undecided(f"it is encrypted: {error}") from None
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise Refused(f"{error}") from None
    except OSError as error:
        # A directory of members that points out of the file makes for a seek to nowhere.
        raise Refused(str(error)) if error.errno == errno.EINVAL else _translated(error) from None
    if bad is not None:
        raise Refused(f"the content of {bad!r} in it is damaged")


def _check_stream(path: Path, kind: str) -> None:
    try:
        stream = Stream(_content(path, kind))
        start = stream.read(512)
        if is_tar(start):
            read_tar(start, stream)
        stream.exhaust()
    except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise _translated(error) from None


def _translated(error: OSError) -> Exception:
    """Return bad content as a refusal: gzip and bz2 raise it as an OSError without a number."""
    return error if error.errno else Refused(str(error))


def _content(path: Path, kind: str) -> Iterator[bytes]:
    """Yield what a file holds, unpacked."""
    with path.open("rb") as raw:
        if kind in _UNPACK:
            yield from _UNPACK[kind](raw)
            return
        stream = _OPEN[kind](raw)
        while piece := stream.read(_BLOCK_BYTES):
            yield piece


def _unzstd(raw: BinaryIO) -> Iterator[bytes]:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
    frame = None
    try:
        while piece := raw.read(_FEED_BYTES):
            while piece:
                frame = frame or unpacker.decompressobj()
                yield frame.decompress(piece)
                piece = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        kind = Undecided if _BEYOND_ZSTD.search(str(error)) else Refused
        raise kind(str(error)) from None
    if frame is not None:
        raise Refused("it ends in the middle of a frame")


def _unxz(raw: BinaryIO) -> Iterator[bytes]:
    unpacker = None
    while piece := raw.read(_BLOCK_BYTES):
        while piece or (unpacker is not None and not unpacker.needs_input):
            # Between streams, and after the last one, zeros may stand.
            piece = piece if unpacker is not None else piece.lstrip(b"\0")
            if piece or unpacker is not None:
                unpacker = unpacker or lzma.LZMADecompressor()
                yield unpacker.decompress(piece, _BLOCK_BYTES)
                piece = unpacker.unused_data if unpacker.eof else b""
                unpacker = None if unpacker.eof else unpacker
    if unpacker is not None:
        raise Refused("it ends in the middle of a stream")


_UNPACK = {"zstd": _unzstd, "xz": _unxz}


_OPEN: Mapping[str, Callable[[BinaryIO], _Readable]] = {
    "tar": lambda raw: raw,
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": bz2.BZ2File,
    "xz": lambda raw: raw,
    "zstd": lambda raw: raw,
}
