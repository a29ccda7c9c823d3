"""One sink's deliveries on their way through its queue, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from verifier.core.errors import DeliveryFailed
from verifier.monitor.delivery import Delivery, Sink
from verifier.monitor.spool import Parcel, Queue

_STATE = "metrics"
"""The one kind of which the newest is worth all before it."""


@dataclass(slots=True)
class Errand:
    """One sink's deliveries in one go, and what becomes of them.

    Attributes:
        end: when there is no more time for it, in ticks.
        loose: what is not on disk.
        fresh: files that nobody else can have sent from.
        arrived: IDs of what the sink has taken before, and in this go.
        error: why the sink did not take something.
        unkept: why something could not be kept on disk.
        torn, given_up: how many parcels.
        unread: files that cannot be read now, and why; they stay, and are passed over.
    """

    sink: Sink
    queue: Queue
    now: datetime
    end: float
    loose: list[Parcel]
    fresh: set[Path | None] = field(default_factory=lambda: {None})
    arrived: set[str] = field(default_factory=set)
    error: DeliveryFailed | None = None
    unkept: DeliveryFailed | None = None
    torn: int = 0
    given_up: int = 0
    unread: dict[Path, DeliveryFailed] = field(default_factory=dict)

    def waiting(self) -> list[Path]:
        """Return the files that wait, in order, but for those that could not be read.

        Raises:
            DeliveryFailed: the folder cannot be read.
        """
        return [path for path in self.queue.waiting() if path not in self.unread]

    def count_waiting(self) -> int:
        """Return how many parcels wait."""
        try:
            return len(self.queue.waiting())
        except DeliveryFailed:
            # That is being told already.
            return 0

    def read(self, path: Path) -> Parcel | None:
        """Return a parcel; nothing of one that is torn or cannot be read, which is remembered."""
        try:
            parcel = self.queue.read(path)
        except DeliveryFailed as error:
            self.unread[path] = error
            return None
        self.torn += parcel is None
        return parcel

    def leave_out(self, ids: frozenset[str]) -> None:
        """Let go of deliveries that wait already."""
        rest = (tuple(d for d in parcel.deliveries if d.id not in ids) for parcel in self.loose)
        self.loose = [Parcel(deliveries, self.now) for deliveries in rest if deliveries]

    def put(self, *, alone: bool) -> None:
        """Bring on disk what is loose; what cannot be stays so.

        Args:
            alone: nobody else sends.
        """
        try:
            if alone:
                self._supersede()
            while self.loose:
                path = self.queue.put(self.loose[0])
                if alone:
                    self.fresh.add(path)
                del self.loose[0]
        except DeliveryFailed as error:
            self.unkept = error

    def arrive(self, parcel: Parcel, deliveries: Sequence[Delivery]) -> None:
        """Remember what has arrived of a parcel.

        Raises:
            DeliveryFailed: it cannot be written.
        """
        self.arrived |= {delivery.id for delivery in deliveries}
        if parcel.path is not None and deliveries:
            self.queue.note(deliveries)

    def failed(self, message: str, remedy: str) -> DeliveryFailed:
        """Return an error of its sink."""
        return DeliveryFailed(self.sink.name, message, remedy)

    def _supersede(self) -> None:
        """Remove what waits and is of no use to anybody once that arrives which is put next."""
        if not (self.loose and all(map(_is_state, self.loose))):
            return
        for path in self.waiting():
            parcel = self.read(path)
            if parcel is not None and _is_state(parcel):
                self.queue.remove(parcel)


def parcels(sink: Sink, deliveries: Iterable[Delivery], now: datetime) -> list[Parcel]:
    """Return what a sink takes, each delivery once, in parcels of what it takes at a time."""
    theirs = tuple(
        {delivery.id: delivery for delivery in deliveries if sink.takes(delivery)}.values()
    )
    starts = range(0, len(theirs), sink.batch)
    return [Parcel(theirs[start : start + sink.batch], now) for start in starts]


def _is_state(parcel: Parcel) -> bool:
    return all(delivery.kind == _STATE for delivery in parcel.deliveries)
