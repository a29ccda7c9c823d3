"""What is left out of a result, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.simulate.test_scenario_expect import SEEN
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.simulate.normal import digest_of, normal
from verifier.simulate.scenario_expect import Seen

AT = datetime(2024, 3, 4, 4, tzinfo=UTC)
SNAPSHOT = Snapshot("a" * 64, AT, "web1", ("/etc", "/srv"), ("x",))
PACK = "ab" * 32
FINDING = Finding("lost", f"off-site data/ab/{PACK}", "cut after 12 bytes", {"at": 1})
ONE = replace(SEEN, findings=(FINDING,), survivors=(SNAPSHOT,))


def other(**changed: object) -> Seen:
    """Return the result with its snapshot changed."""
    return replace(ONE, survivors=(replace(SNAPSHOT, **changed),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "same",
    [
        replace(ONE, findings=(replace(FINDING, subject=f"off-site data/cd/{'cd' * 32}"),)),
        replace(ONE, findings=(replace(FINDING, detail="took 3 s in /tmp/x"),)),
        replace(ONE, findings=(replace(FINDING, evidence={}),)),
        replace(ONE, findings=(FINDING, FINDING)),
        other(id="b" * 64),
        other(paths=("/srv", "/etc")),
    ],
    ids=["pack", "detail", "evidence", "twice", "id", "order"],
)
def test_what_differs_from_run_to_run_is_left_out(same: Seen) -> None:
    assert digest_of(ONE) == digest_of(same)


@pytest.mark.parametrize(
    "different",
    [
        replace(ONE, findings=()),
        replace(ONE, findings=(Finding("damaged", FINDING.subject, ""),)),
        replace(ONE, findings=(replace(FINDING, subject="off-site"),)),
        replace(ONE, survivors=()),
        replace(ONE, survivors=(SNAPSHOT, SNAPSHOT)),
        other(host="db1"),
        other(taken_at=AT + timedelta(microseconds=1)),
        other(taken_at=AT.astimezone(datetime.fromisoformat("2024-03-04T04:00+01:00").tzinfo)),
        other(paths=("/etc",)),
        other(tags=()),
    ],
)
def test_everything_else_is_in_it(different: Seen) -> None:
    assert digest_of(ONE) != digest_of(different)


def test_days_are_no_ids() -> None:
    told = normal(replace(ONE, findings=(Finding("gap", "web1 2024-03-04", ""),)))

    assert "finding gap web1 2024-03-04" in told
