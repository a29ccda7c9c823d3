"""The clock page: one small file that says what time it is in the processes that map it.

The time shown is the real time plus an offset, but never less than a floor: two words, each written
whole. A process that runs sees a change at once; there is no lock that a reader could wait for.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.clock.marks import lock_words, marks
from verifier.clock.system import SystemClock
from verifier.clock.vdso import PATH_BYTES_MAX
from verifier.core.errors import ClockNotControlled, UsageError

SIZE_BYTES = 4096
JUMP_MAX = timedelta(minutes=25)
"""How far the clock may be moved in all while a restic runs: it takes a lock of 30 minutes for one
that a dead restic left, and renews its own every 5."""

FIRST, LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
"""What nanoseconds in 64 bits, and programs with unsigned seconds, can tell."""

_WORDS = struct.Struct("<qq8s")
WORDS_BYTES = _WORDS.size
_MARK = b"rvclock1"
_NO_FLOOR = -(1 << 63)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ClockPage:
    """Sets the clock of every process that runs under this page; a `Clock` itself.

    Any number of processes may read it. Writers take turns. While a restic runs under the page they
    may move it by less than 25 minutes in all: its own lock would turn stale under its feet.

    Args:
        path: an absolute path, the same for all that read it.

    Raises:
        UsageError: there is no clock page at that path.
    """

    def __init__(self, path: Path) -> None:
        self._path = _fitting(path)
        with self._opened(os.O_RDONLY) as descriptor:
            content = os.pread(descriptor, SIZE_BYTES, 0)
        if len(content) != SIZE_BYTES or _WORDS.unpack_from(content)[2] != _MARK:
            raise _no_page(self._path)

    @classmethod
    def create(cls, path: Path) -> ClockPage:
        """Make a page that shows the real time, readable for every user.

        Raises:
            UsageError: the file cannot be made, or is there.
        """
        _fitting(path)
        try:
            with path.open("xb") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(_WORDS.pack(_NO_FLOOR, 0, _MARK).ljust(SIZE_BYTES, b"\0"))
        except OSError as error:
            raise _unusable(path, error) from error
        return cls(path)

    @classmethod
    def provide(cls, path: Path) -> ClockPage:
        """Return the page at a path, made if nothing is there.

        Raises:
            UsageError: the file cannot be made, or is no page.
        """
        return cls(path) if os.path.lexists(path) else cls.create(path)

    @property
    def path(self) -> Path:
        """Where the page is."""
        return self._path

    def now(self) -> datetime:
        """Return the instant that the page shows, in UTC."""
        floor_ns, offset_ns, _ = _WORDS.unpack(self.words())
        return _instant(max(floor_ns, _ns(SystemClock().now()) + offset_ns))

    def words(self) -> bytes:
        """Return the page's words as they are now."""
        with self._opened(os.O_RDONLY) as descriptor:
            return os.pread(descriptor, _WORDS.size, 0)

    def expect(self, descriptor: int) -> None:
        """See that the page at the path is still the one that is open there.

        Raises:
            UsageError: it is gone, or another one: whoever opens it would not be controlled.
        """
        try:
            is_same = os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except OSError:
            is_same = False
        if not is_same:
            remedy = "keep it where it is for as long as anything runs under it"
            raise UsageError(str(self._path), "the clock page is gone", remedy)

    def set(self, at: datetime, hold: timedelta = timedelta(0)) -> None:
        """Show this instant from now on, and run on from there.

        Args:
            hold: how long exactly this instant is shown before the clock runs on. Whatever begins
                in the meantime has one time, to the nanosecond.

        Raises:
            ClockNotControlled: a restic runs, and the clock would be 25 minutes or more from where
                it would be had nobody moved it since that restic began.
            UsageError: no such instant can be shown, or the page cannot be written.
        """
        instant_ns = _ns(_checked(at))
        with self._changing(at) as now_ns:
            self._write(instant_ns, instant_ns - now_ns - hold // timedelta(microseconds=1) * 1_000)

    def shift(self, by: timedelta) -> None:
        """Show the real time plus this much.

        Raises:
            ClockNotControlled, UsageError: as for `set`.
        """
        with self._changing(_moved(SystemClock().now(), by)):
            self._write(_NO_FLOOR, by // timedelta(microseconds=1) * 1_000)

    def advance(self, by: timedelta, *, however_far: bool = False) -> None:
        """Show this much more than now.

        Args:
            however_far: also under a running restic, whose lock others then take for a stale one:
                it is to be slow.

        Raises:
            ClockNotControlled, UsageError: as for `set`.
        """
        with self._changing(_moved(self.now(), by), however_far=however_far):
            floor_ns, offset_ns, _ = _WORDS.unpack(self.words())
            step_ns = by // timedelta(microseconds=1) * 1_000
            floor_ns = floor_ns if floor_ns == _NO_FLOOR else floor_ns + step_ns
            self._write(floor_ns, offset_ns + step_ns)

    def ahead(self) -> timedelta:
        """Return how far ahead of the real time it is."""
        return self.now() - SystemClock().now()

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        try:
            # What is no file may wait for somebody else to open it, too, and for ever.
            descriptor = os.open(self._path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _unusable(self._path, error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _no_page(self._path)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _changing(self, at: datetime, *, however_far: bool = False) -> Iterator[int]:
        """Keep other writers out, and a restic from beginning; give the real time."""
        with self._opened(os.O_RDWR) as descriptor:
            lock_words(descriptor, writing=True)
            if not however_far:
                self._spare_restic(descriptor, at)
            yield _ns(SystemClock().now())

    def _spare_restic(self, descriptor: int, at: datetime) -> None:
        ahead = at - SystemClock().now()
        if any(abs(ahead - began) >= JUMP_MAX for began in marks(descriptor)):
            raise ClockNotControlled(
                str(self._path),
                f"a restic runs under this clock, and to move it to {at.isoformat()} would make "
                "its lock stale",
                "wait for it to end, or move the clock by less than 25 minutes in all while it "
                "runs",
            )

    def _write(self, floor_ns: int, offset_ns: int) -> None:
        with self._opened(os.O_RDWR) as descriptor, mmap.mmap(descriptor, SIZE_BYTES) as page:
            words = memoryview(page).cast("q")
            # A reader between the two sees a time between the old one and the new.
            order = (0, 1) if floor_ns >= words[0] else (1, 0)
            for place in order:
                words[place] = (floor_ns, offset_ns)[place]
            words.release()


def turn(at: datetime) -> str:
    """Return what makes a page show at least this instant, as octal escapes for a shell's `printf`.

    A shell can write it (`printf "$turn" 1<>page`) where the controller itself cannot be asked.
    """
    return "".join(f"\\{byte:03o}" for byte in struct.pack("<q", _ns(_checked(at))))


def _checked(at: datetime) -> datetime:
    if not FIRST <= at <= LAST:
        raise _beyond(at.isoformat())
    return at


def _moved(at: datetime, by: timedelta) -> datetime:
    try:
        return _checked(at + by)
    except OverflowError as error:
        raise _beyond(f"{at.isoformat()} and {by.days} days") from error


def _beyond(time: str) -> UsageError:
    message = "cannot be shown by a controlled clock"
    return UsageError(time, message, f"write a time from {FIRST} to {LAST}")


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000


def _instant(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def _fitting(path: Path) -> Path:
    """Return the full path, if every program can be told it."""
    full = path.absolute()
    if len(os.fsencode(full)) > PATH_BYTES_MAX:
        message = f"is longer than {PATH_BYTES_MAX} bytes"
        raise UsageError(str(full), message, "put the clock page into another folder")
    return full


def _no_page(path: Path) -> UsageError:
    remedy = "name a page that `restic-verify clock` has made, or a path where none is"
    return UsageError(str(path), "is no clock page", remedy)


def _unusable(path: Path, error: OSError) -> UsageError:
    message = f"cannot be a clock page: {error.strerror}"
    return UsageError(str(path), message, "name a page in a folder that may be searched by all")
