"""The law of the outbox: whatever fails in between, all that was posted arrives, once, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from verifier.core.errors import DeliveryFailed
from verifier.monitor.delivery import Delivery
from verifier.monitor.outbox import Outbox, Patience, Time

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


@dataclass
class Moody:
    """A sink that fails as it is told, having taken some; a `Sink`.

    Attributes:
        moods: of the next attempts: how many it takes before it fails; none to take all.
    """

    batch: int
    moods: list[int | None]
    name: str = "moody"
    got: list[object] = field(default_factory=list)

    def takes(self, delivery: Delivery) -> bool:
        """Take what has an even number."""
        return int(str(delivery.body["number"])) % 2 == 0

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Take them, or some."""
        assert len(deliveries) <= self.batch
        taken = self.moods.pop(0) if self.moods else None
        taken = taken if taken is None else min(taken, len(deliveries) - 1)
        self.got += [delivery.body["number"] for delivery in deliveries[:taken]]
        if taken is not None:
            raise DeliveryFailed(self.name, "full", "", arrived=taken)


posts = st.lists(st.integers(0, 40), max_size=6)


@given(
    posted=st.lists(st.one_of(posts, st.just("flush"), st.just("keep")), max_size=8),
    moods=st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=12),
    batch=st.integers(1, 4),
    attempts=st.integers(1, 3),
)
def test_all_that_was_posted_arrives_once_in_order(
    posted: list[list[int] | str], moods: list[int | None], batch: int, attempts: int
) -> None:
    sink = Moody(batch, moods)
    expected: dict[int, None] = {}
    keep = False
    with tempfile.TemporaryDirectory() as folder:
        for step in posted:
            # A new one each time, as by a process of its own.
            outbox = Outbox(
                [sink], Path(folder), Patience(attempts), passing=Time(lambda: 0, lambda _: None)
            )
            if isinstance(step, str):
                keep = step == "keep"
                findings = outbox.flush(NOW)
            else:
                told = [Delivery("alert", NOW, {"number": number}) for number in step]
                findings = outbox.keep(told, NOW) if keep else outbox.flush(NOW, told)
                expected |= dict.fromkeys(number for number in step if number % 2 == 0)

            assert sink.got == list(expected)[: len(sink.got)]
            is_all = len(sink.got) == len(expected)
            assert not (findings and is_all), "no false alarm"
            assert findings or is_all or keep, "and none that is missed"
        sink.moods = []
        outbox = Outbox([sink], Path(folder), passing=Time(lambda: 0, lambda _: None))

        assert () == outbox.flush(NOW)
        assert list(expected) == sink.got
        assert [] == list(Path(folder).glob("*/*.json"))
