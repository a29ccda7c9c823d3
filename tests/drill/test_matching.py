"""Snapshots of two sides, matched and judged: on any histories, and on the ones that are told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.core.snapshot import Snapshot
from verifier.drill.matching import LISTED, Matching, age, judge, match

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MAX_LAG = timedelta(days=2)
HOUR = timedelta(hours=1)


def snapshot(
    days: float, *, tree: str = "", host: str = "web1", side: str = "primary", made: float = -1
) -> Snapshot:
    """Return a snapshot taken so many days ago; `restic copy` gives it an ID of the copy."""
    return Snapshot(
        id=f"{side}-{host}-{days}-{tree}",
        taken_at=NOW - timedelta(days=days),
        host=host,
        paths=("/etc", "/srv"),
        tree=tree or f"tree-{days}",
        made_at=None if made < 0 else NOW - timedelta(days=made),
    )


def copied(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return what `restic copy` makes of them."""
    return [
        Snapshot(f"copy-{s.id}", s.taken_at, s.host, s.paths[::-1], (), s.tree, s.made_at)
        for s in snapshots
    ]


def said(primary: Iterable[Snapshot], copy: Iterable[Snapshot]) -> list[tuple[str, str]]:
    """Return kind and subject of what is found."""
    found = judge(match(primary, copy, now=NOW, max_lag=MAX_LAG), now=NOW)
    return [(finding.kind, finding.subject) for finding in found]


histories = st.lists(
    st.builds(
        snapshot,
        st.integers(0, 9),
        tree=st.sampled_from(["a", "b"]),
        host=st.sampled_from(["web1", "db1"]),
    ),
    unique_by=lambda s: s.id,
)


@given(histories, histories)
def test_every_snapshot_is_judged_once(primary: list[Snapshot], copy: list[Snapshot]) -> None:
    found = match(primary, copied(copy), now=NOW, max_lag=MAX_LAG)

    lists = (found.both, found.pending, found.late, found.lacking)
    judged = [s.id for part in lists for s in part] + [s.id for s, _ in found.differing]

    assert sorted(s.id for s in primary) == sorted(judged)


@given(histories)
def test_whole_copy_raises_nothing(primary: list[Snapshot]) -> None:
    found = match(primary, copied(primary), now=NOW, max_lag=MAX_LAG)

    assert [] == list(judge(found, now=NOW))
    assert len(primary) == len(found.both)


@given(histories, histories)
def test_nothing_absent_goes_unsaid(primary: list[Snapshot], copy: list[Snapshot]) -> None:
    found: Matching = match(primary, copied(copy), now=NOW, max_lag=MAX_LAG)
    hosts = {s.host for s in (*found.late, *found.lacking, *(s for s, _ in found.differing))}

    subjects = {f.subject for f in judge(found, now=NOW) if f.kind != "copy-extra"}

    assert {f"off-site {host}" for host in hosts} == subjects


DAYS = [snapshot(days) for days in (9, 5, 3, 1)]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((9, 5, 3, 1), []),
        ((9, 5, 3), []),
        ((9, 5), [("copy-lags", "off-site web1")]),
        ((9,), [("copy-lags", "off-site web1")]),
        ((9, 3, 1), [("copy-lacks", "off-site web1")]),
        ((5, 3, 1), [("copy-lacks", "off-site web1")]),
        ((1,), [("copy-lacks", "off-site web1")] * 3),
        ((), [("copy-lacks", "off-site web1")] * 3),
        ((12, 9, 5, 3, 1), [("copy-extra", "off-site web1")]),
    ],
    ids=["whole", "pending", "late", "later", "hole", "oldest", "only-newest", "none", "extra"],
)
def test_what_the_copy_has_decides(there: tuple[int, ...], expected: list[str]) -> None:
    assert expected == said(DAYS, copied(map(snapshot, there)))


def test_lag_names_snapshot_and_age() -> None:
    (finding,) = judge(match(DAYS, copied(DAYS[:1]), now=NOW, max_lag=MAX_LAG), now=NOW)

    assert (
        "the copy ends with snapshot primary-, 9 days old; 2 snapshots should have followed, "
        "first snapshot primary-, 5 days old"
    ) == finding.detail
    assert [DAYS[2].id, DAYS[1].id] == finding.evidence["snapshots"]


def test_lag_ends_where_it_is_allowed() -> None:
    on_time = [DAYS[0], snapshot(2)]
    late = [DAYS[0], snapshot(2.001)]

    assert [] == said(on_time, copied(on_time[:1]))
    assert [("copy-lags", "off-site web1")] == said(late, copied(late[:1]))


def test_back_dated_snapshot_has_its_time_to_arrive() -> None:
    imported = snapshot(400, made=0.5)

    assert [] == said([*DAYS, imported], copied(DAYS))


def test_long_backup_that_ended_late_is_no_loss() -> None:
    # A snapshot bears the time at which its backup began; a shorter one overtook it.
    assert [] == said([snapshot(1.5), snapshot(1)], copied([snapshot(1)]))


def test_one_host_says_nothing_of_another() -> None:
    both = [*DAYS, *(snapshot(days, host="db1") for days in (9, 5))]

    assert [("copy-lacks", "off-site db1")] * 2 == said(both, copied(DAYS))


def test_other_tree_under_one_label_differs() -> None:
    theirs = copied([snapshot(9, tree="rewritten"), *DAYS[1:]])

    assert [("copy-differs", "off-site web1")] == said(DAYS, theirs)
    assert [] == said(DAYS, copied(DAYS))


def test_findings_are_bounded_and_counted() -> None:
    many = [snapshot(days) for days in range(3, 3 + LISTED + 15)]

    found = list(judge(match(many, (), now=NOW, max_lag=MAX_LAG), now=NOW))

    assert LISTED + 1 == len(found)
    assert 15 == found[-1].evidence["count"]
    assert f"{2 + LISTED + 15} days old" in found[-1].detail


def test_host_name_is_printable() -> None:
    assert [("copy-lacks", r"off-site a\nb")] == said([snapshot(9, host="a\nb")], ())


@pytest.mark.parametrize(
    ("span", "expected"),
    [(HOUR, "60 min"), (3 * HOUR, "3 h"), (50 * HOUR, "2 days"), (-HOUR, "0 min")],
)
def test_age_is_told_in_one_unit(span: timedelta, expected: str) -> None:
    assert expected == age(span)
