"""One suite for every sink: nothing is lost, nothing arrives twice, and the order is kept.

Goal: whatever a server does, what was posted arrives once it is well again. Method: a real server
(or a receiver of the test's, where the product is a protocol) behind a gate that refuses, hangs or
cuts the line before, amid and after a request; the outbox in front of the sink is the real one.
Red: a sink that swallows a refusal, sends again what has arrived, or waits beyond its time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance import places
from tests.conformance.places import IMPATIENT_S, NOW, PATIENT_S, Place, Served
from tests.servers.clickhouse import clickhouse, clickhouse_server
from tests.servers.prometheus import pushgateway
from tests.servers.receiver import Mood
from verifier.core.errors import DeliveryFailed
from verifier.monitor.outbox import Outbox, Patience, Time

__all__ = ("clickhouse", "clickhouse_server", "pushgateway")

# Apprise looks at pictures with a module that Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")

HTTP: tuple[Mood, ...] = ("refuse", "hang", "trickle", "redirect", "cut-before", "cut-after")
PLACES: dict[str, tuple[Mood, ...]] = {
    "clickhouse-log": (*HTTP, "cut-amid"),
    "clickhouse-report": ("refuse", "cut-amid", "cut-after"),
    "clickhouse-backup": ("refuse", "cut-amid", "cut-after"),
    "webhook": HTTP,
    "ping": HTTP,
    "pushgateway": HTTP,
    # Its time limits are for a step of a request each, so a trickle is cut off by the outbox alone.
    "apprise": ("refuse", "hang", "redirect", "cut-before", "cut-after"),
    "textfile": ("refuse",),
    "journal": ("refuse", "hang"),
}
"""Each place, and how it can be made to misbehave."""

STATES = ("pushgateway", "textfile")
"""Those of which the newest is all that counts."""

TROUBLES = [(place, trouble) for place, troubles in PLACES.items() for trouble in troubles]
SERVED = [place for place in PLACES if place not in {"textfile", "journal"}]
HANGING = ("hang", "trickle")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Every place in turn."""
    name = request.param
    with ExitStack() as stack:
        if name.startswith("clickhouse"):
            kind = getattr(places, name.removeprefix("clickhouse-"))
            server = request.getfixturevalue("clickhouse")
            yield stack.enter_context(places.clickhouse(kind, server))
        elif name == "pushgateway":
            gateway = request.getfixturevalue("pushgateway")
            yield stack.enter_context(places.pushgateway(gateway))
        elif name == "textfile":
            yield places.File(tmp_path)
        elif name == "journal":
            yield places.Datagrams(tmp_path, stack)
        else:
            yield stack.enter_context(getattr(places, name)())


def _outbox(place: Place, tmp_path: Path, timeout_s: float = PATIENT_S) -> Outbox:
    """Return an outbox that does not wait between attempts, and has time for them."""
    patience = Patience(attempts=2, timeout_s=PATIENT_S)
    passing = Time(sleep=lambda _: None)
    return Outbox([place.make_sink(timeout_s)], tmp_path / "spool", patience, passing=passing)


def _expected(place: Place, *numbers: int) -> list[int]:
    return list(numbers[-1:] if _name(place) in STATES else numbers)


def _name(place: Place) -> str:
    return place.make_sink(PATIENT_S).name


def _waiting(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "spool").glob("*/*.json"))


def test_what_is_accepted_arrives_in_order(place: Place, tmp_path: Path) -> None:
    findings = _outbox(place, tmp_path).post([place.delivery(n) for n in (1, 2, 3)], NOW)

    assert () == findings
    assert _expected(place, 1, 2, 3) == place.arrived()
    assert [] == _waiting(tmp_path)


def test_sink_takes_what_it_is_meant_for(place: Place) -> None:
    assert place.make_sink(PATIENT_S).takes(place.delivery(1))


@pytest.mark.parametrize(("place", "trouble"), TROUBLES, indirect=["place"])
def test_trouble_loses_nothing_and_doubles_nothing(
    place: Place, tmp_path: Path, trouble: Mood
) -> None:
    _outbox(place, tmp_path).post([place.delivery(1)], NOW)
    place.behave(trouble)
    outbox = _outbox(place, tmp_path, IMPATIENT_S if trouble in HANGING else PATIENT_S)
    told = [outbox.post([place.delivery(n)], NOW) for n in (2, 3)]

    assert [("not-delivered", _name(place))] * 2 == [(f.kind, f.subject) for (f,) in told]
    assert _waiting(tmp_path), "what has not arrived waits"

    place.behave("accept")

    assert () == _outbox(place, tmp_path).post([place.delivery(4)], NOW)
    assert _expected(place, 1, 2, 3, 4) == place.arrived()
    assert [] == _waiting(tmp_path)


@pytest.mark.parametrize(
    ("place", "trouble"),
    [(place, trouble) for place, trouble in TROUBLES if place in SERVED and trouble not in HANGING],
    indirect=["place"],
)
def test_death_half_way_through_is_mended_by_the_next_attempt(
    place: Place, tmp_path: Path, trouble: Mood
) -> None:
    assert isinstance(place, Served)
    _outbox(place, tmp_path).post([place.delivery(1)], NOW)
    is_batch = place.make_sink(PATIENT_S).batch > 100
    place.receiver.plan = [trouble] if is_batch else ["accept", trouble]
    findings = _outbox(place, tmp_path).post([place.delivery(n) for n in (2, 3, 4, 5)], NOW)

    assert () == findings
    assert _expected(place, 1, 2, 3, 4, 5) == place.arrived()


@pytest.mark.parametrize("place", SERVED, indirect=True)
def test_no_secret_gets_into_an_error(place: Place) -> None:
    """The server repeats in its refusal whatever it was sent: headers, address and all."""
    assert isinstance(place, Served)
    place.receiver.refusal = None
    place.behave("refuse")
    with pytest.raises(DeliveryFailed) as raised:
        place.make_sink(PATIENT_S).deliver([place.delivery(1)], again=False)

    said = f"{raised.value} {raised.value.remedy}"
    assert "500" in said
    assert "\x1b" not in said
    assert [] == [secret for secret in place.secrets if secret in said]


def test_pairs_of_sinks_go_side_by_side(tmp_path: Path) -> None:
    """A sink that hangs keeps no other from being told in the meantime."""
    with places.webhook() as bad, places.ping() as good:
        bad.behave("hang")
        patience = Patience(attempts=1, timeout_s=PATIENT_S)
        sinks = bad.make_sink(IMPATIENT_S), good.make_sink(PATIENT_S)
        outbox = Outbox(sinks, tmp_path, patience)
        both = list(
            itertools.chain.from_iterable((bad.delivery(n), good.delivery(n)) for n in (1, 2))
        )
        findings = outbox.post(both, NOW)
        bad.behave("accept")

        assert ["webhook"] == [finding.subject for finding in findings]
        assert [1, 2] == good.arrived()
