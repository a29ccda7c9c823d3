"""Where deliveries wait on disk for a sink that has not taken them yet: a folder for each sink.

A parcel is one file: written whole under another name, made durable, and linked into its place, so
that it is there or not, whatever kills the process. Its number is its place in the queue. What is
no parcel is left alone, and a parcel that is torn is set aside: neither stops the others.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from verifier.core.errors import DeliveryFailed
from verifier.database.owned import give, make_file, make_folder, open_owned, remedy_for
from verifier.monitor.delivery import SCHEMA, Delivery, parse_delivery, render_delivery

LIMIT_BYTES = 256 << 20
"""How much may wait for one sink."""

ARRIVED_BYTES = 1 << 20
"""How much is remembered of what arrived: some 30,000 deliveries."""

_PARCEL = re.compile(r"([0-9]{12})\.json")
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part")
_REMEDY = "see that the folder of history.spool is there and may be written to, and has room"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Deliveries that wait together.

    Attributes:
        put_at: since when.
        path: its file, where it has one.
    """

    deliveries: tuple[Delivery, ...]
    put_at: datetime
    path: Path | None = None


class Queue:
    """What waits for one sink.

    Several processes may put; only the one that holds it takes.

    Args:
        folder: its own; made when something is put.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrived = folder / "arrived"

    @contextmanager
    def hold(self) -> Iterator[Callable[[], bool]]:
        """Be the only one who sends from it until the block ends, once nobody else is.

        Gives a function that tries to become so and says whether one is; it does not wait.

        Raises:
            DeliveryFailed: the folder cannot be made or locked.
        """
        with self._translated():
            self._make()
            lock = open_owned(self._folder / "lock", os.O_RDWR)
        try:
            yield lambda: _locked(lock)
        finally:
            # The lock goes with it, and with the process whatever ends that.
            os.close(lock)

    def put(self, parcel: Parcel) -> Path:
        """Add a parcel at the end; it is on disk when this returns its file.

        Raises:
            DeliveryFailed: it cannot be written.
        """
        content = _rendered(parcel)
        with self._translated():
            self._make()
            try:
                return self._placed(content)
            except FileNotFoundError:
                # A sweep took it, between its creation and its lock.
                return self._placed(content)

    def waiting(self) -> tuple[Path, ...]:
        """Return the files of its parcels, in order.

        Raises:
            DeliveryFailed: the folder cannot be read.
        """
        with self._translated():
            try:
                return tuple(sorted(p for p in self._folder.iterdir() if _PARCEL.fullmatch(p.name)))
            except FileNotFoundError:
                return ()

    def sizes_bytes(self) -> dict[Path, int]:
        """Return the files of its parcels, in order, with their sizes.

        Raises:
            DeliveryFailed: the folder cannot be read.
        """
        with self._translated():
            return {path: path.stat().st_size for path in self.waiting()}

    def waits(self) -> bool:
        """Say whether there is something to send; where it cannot be read, it may well be."""
        try:
            return bool(self.waiting())
        except DeliveryFailed:
            return True

    def ids(self) -> frozenset[str]:
        """Return the IDs of the deliveries that wait, as far as they can be read now."""
        found: set[str] = set()
        with suppress(DeliveryFailed):
            for path in self.waiting():
                # Whoever sends may take one at any time, and sets aside what is torn.
                with suppress(OSError, ValueError, RecursionError):
                    deliveries, _ = _parsed(json.loads(path.read_bytes()))
                    found.update(delivery.id for delivery in deliveries)
        return frozenset(found)

    def read(self, path: Path) -> Parcel | None:
        """Return a parcel; of one that is torn nothing, and it is set aside.

        Raises:
            DeliveryFailed: it cannot be read now; it is left where it is.
        """
        try:
            return Parcel(*_parsed(json.loads(path.read_bytes())), path)
        except (IsADirectoryError, ValueError, RecursionError):
            with suppress(OSError):
                path.rename(path.with_suffix(".torn"))
            return None
        except OSError as error:
            # What another user may read, or a broken disk may give tomorrow, is not torn.
            message = f"cannot be read: {error.strerror}"
            raise DeliveryFailed(str(path), message, remedy_for(path)) from error

    def remove(self, parcel: Parcel) -> None:
        """Forget a parcel: it has arrived, or is given up.

        Raises:
            DeliveryFailed: it cannot be removed.
        """
        if parcel.path is not None:
            with self._translated():
                parcel.path.unlink(missing_ok=True)
                _settle(self._folder)

    def arrived(self) -> set[str]:
        """Return the IDs of the last deliveries that arrived.

        Raises:
            DeliveryFailed: they cannot be read.
        """
        with self._translated():
            try:
                return set(self._arrived.read_text(errors="replace").splitlines())
            except FileNotFoundError:
                return set()

    def note(self, deliveries: Iterable[Delivery]) -> None:
        """Remember that deliveries arrived, so that none is sent twice, whoever posts it again.

        Raises:
            DeliveryFailed: it cannot be written.
        """
        lines = "".join(f"{delivery.id}\n" for delivery in deliveries)
        with self._translated():
            make_file(self._arrived)
            with self._arrived.open("a") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())

    def tidy(self) -> None:
        """Remove what killed processes were writing, and forget what arrived long ago.

        Raises:
            DeliveryFailed: the folder cannot be written.
        """
        self._sweep()
        with self._translated(), suppress(FileNotFoundError):
            if self._arrived.stat().st_size > ARRIVED_BYTES:
                # The first line of the newer half is half a line.
                newest = self._arrived.read_bytes()[-ARRIVED_BYTES // 2 :].partition(b"\n")[2]
                with self._written(newest) as temporary:
                    temporary.replace(self._arrived)

    def _sweep(self) -> None:
        # Those who live hold a lock on theirs.
        with suppress(OSError):
            for path in filter(lambda p: _TEMPORARY.fullmatch(p.name), self._folder.iterdir()):
                with path.open("rb") as left:
                    if _locked(left.fileno()):
                        path.unlink(missing_ok=True)

    @contextmanager
    def _written(self, content: bytes) -> Iterator[Path]:
        temporary = self._folder / f".{os.urandom(8).hex()}.part"
        try:
            with temporary.open("xb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                temporary.chmod(0o600)
                give(file.fileno(), temporary)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _placed(self, content: bytes) -> Path:
        with self._written(content) as temporary:
            waiting = self.waiting()
            number = int(waiting[-1].stem) + 1 if waiting else 1
            while True:
                path = self._folder / f"{number:012d}.json"
                try:
                    path.hardlink_to(temporary)
                except FileExistsError:
                    # Somebody else put one at the same time.
                    number += 1
                else:
                    _settle(self._folder)
                    return path

    def _make(self) -> None:
        if make_folder(self._folder):
            _settle(self._folder.parent)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"the spool cannot be used: {error.strerror}"
            raise DeliveryFailed(str(self._folder), message, _REMEDY) from error


def _rendered(parcel: Parcel) -> bytes:
    stored = {
        "schema": SCHEMA,
        "put": parcel.put_at.isoformat(),
        "deliveries": [render_delivery(delivery) for delivery in parcel.deliveries],
    }
    return json.dumps(stored, separators=(",", ":")).encode()


def _parsed(stored: object) -> tuple[tuple[Delivery, ...], datetime]:
    match stored:
        case {"put": str(put), "deliveries": [_, *_] as kept}:
            put_at = datetime.fromisoformat(put)
            # One without an offset could not be compared.
            if put_at.tzinfo is not None:
                return tuple(map(parse_delivery, kept)), put_at
    raise ValueError("not a parcel, or not whole")


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _settle(folder: Path) -> None:
    """Make durable what was linked, renamed or removed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
