"""Random backup histories and policies, for the laws and for real restic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from verifier.core.policy import UNLIMITED, Duration, Policy
from verifier.core.snapshot import Snapshot

OFFSETS = [timezone(timedelta(minutes=m)) for m in (0, -480, -420, 330, 60, 120, 840, -660)]

counts = st.one_of(st.just(0), st.integers(1, 40))
spans = st.builds(
    Duration, st.integers(0, 2), st.integers(0, 14), st.integers(0, 40), st.integers(0, 50)
)


def _snapshot(
    number: int,
    second: int,
    zone: timezone,
    host: str,
    paths: tuple[str, ...],
    tags: tuple[str, ...],
) -> Snapshot:
    taken_at = datetime.fromtimestamp(second, UTC).astimezone(zone)
    return Snapshot(f"{number:04}", taken_at, host, paths, tags)


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    max_size: int = 60,
    mixed_zones: bool = True,
    hosts: tuple[str, ...] = ("a", "b"),
) -> list[Snapshot]:
    """Draw snapshots of up to ten years, no two at one instant, oldest first."""
    start = draw(st.integers(1_262_304_000, 1_609_459_200))
    gap = st.one_of(
        st.integers(60, 7_200), st.integers(40_000, 200_000), st.integers(200_000, 9_000_000)
    )
    zones = st.sampled_from(OFFSETS) if mixed_zones else st.just(draw(st.sampled_from(OFFSETS)))
    tags = st.sampled_from([(), (), ("keep",), ("keep", "rel"), ("x",)])
    paths = st.sampled_from([("/srv",), ("/srv",), ("/srv", "/etc"), ("/etc", "/srv")])
    found: list[Snapshot] = []
    for number in range(draw(st.integers(1, max_size))):
        start += draw(gap)
        found.append(
            _snapshot(
                number, start, draw(zones), draw(st.sampled_from(hosts)), draw(paths), draw(tags)
            )
        )
    return found


count_policies = st.builds(
    Policy, last=counts, hourly=counts, daily=counts, weekly=counts, monthly=counts, yearly=counts
).filter(bool)

policies = st.builds(
    Policy,
    last=st.one_of(counts, st.just(UNLIMITED)),
    hourly=counts,
    daily=st.one_of(counts, st.just(UNLIMITED)),
    weekly=counts,
    monthly=counts,
    yearly=counts,
    within=st.one_of(st.just(Duration()), spans),
    within_hourly=st.one_of(st.just(Duration()), spans),
    within_daily=st.one_of(st.just(Duration()), spans),
    within_weekly=st.one_of(st.just(Duration()), spans),
    within_monthly=st.one_of(st.just(Duration()), spans),
    within_yearly=st.one_of(st.just(Duration()), spans),
    tags=st.sampled_from([(), (), (("keep",),), (("keep", "rel"), ("x",)), (("",),)]),
).filter(bool)
"""Any policy, with most rules absent most of the time."""
