"""What was seen and what is expected are held against each other as sets, both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from verifier.config.scenario import Expect
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.simulate.normal import differences
from verifier.simulate.scenario_expect import Seen, match

GAP = Finding("gap", "web1 /srv", "no restore point")
LATE = Finding("late", "db1", "26 hours")


def snapshot(host: str, day: int, path: str = "/srv") -> Snapshot:
    return Snapshot(f"{host}{path}{day}", datetime(2024, 3, day, 4, tzinfo=UTC), host, (path,))


def _seen(findings: tuple[Finding, ...], survivors: tuple[Snapshot, ...]) -> Seen:
    return Seen(findings, survivors, alerts=(), recovery=())


SEEN = _seen((GAP, LATE), (snapshot("web1", 5), snapshot("web1", 4), snapshot("db1", 5)))
GROUPS = [
    {"host": "web1", "count": 2, "oldest": datetime(2024, 3, 4, tzinfo=UTC).date()},
    {"host": "db1", "count": 1},
]
FINDINGS = [{"kind": "gap", "subject": "web1 *"}, {"kind": "late"}]


def expect(**changed: Any) -> Expect:
    tables = {"verdict": "WARNING", "findings": FINDINGS, "survivors": GROUPS}
    return Expect.model_validate({**tables, **changed})


def kinds(seen: Seen, wanted: Expect) -> list[str]:
    return [finding.kind for finding in match("x", seen, wanted)]


def test_what_is_expected_and_seen_is_no_finding() -> None:
    assert () == match("x", SEEN, expect())


def test_finding_that_is_not_expected_is_unexpected() -> None:
    assert ["unexpected"] == kinds(SEEN, expect(findings=FINDINGS[:1]))


def test_finding_that_is_not_seen_is_unmet() -> None:
    more = [*FINDINGS, {"kind": "lost"}]

    assert ["unmet"] == kinds(SEEN, expect(findings=more))


def test_finding_about_something_else_is_both() -> None:
    moved = [{"kind": "gap", "subject": "web2 *"}, FINDINGS[1]]

    assert ["unexpected", "unmet"] == kinds(SEEN, expect(findings=moved))


def test_what_is_no_worse_than_ok_may_be_expected_and_need_not_be() -> None:
    fine = _seen((*SEEN.findings, Finding("day-boundary", "web1", "cut in UTC")), SEEN.survivors)

    assert [] == kinds(fine, expect())
    assert [] == kinds(fine, expect(findings=[*FINDINGS, {"kind": "day-boundary"}]))
    assert ["unmet"] == kinds(SEEN, expect(findings=[*FINDINGS, {"kind": "day-boundary"}]))


def test_one_finding_seen_often_is_told_once() -> None:
    often = _seen((GAP, GAP, GAP, LATE), SEEN.survivors)

    assert ["unexpected"] == kinds(often, expect(findings=FINDINGS[1:]))


def test_other_verdict_is_unmet() -> None:
    assert ["unmet"] == kinds(SEEN, expect(verdict="OK"))


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"host": "web1", "count": 3}, ["unmet"]),
        ({"host": "web1", "count": 2, "newest": datetime(2024, 3, 4).date()}, ["unmet"]),  # noqa: DTZ001
        ({"host": "web1", "count": 2, "paths": ["/etc"]}, ["unmet", "unexpected"]),
        ({"host": "mail1", "count": 2}, ["unmet", "unexpected"]),
    ],
)
def test_group_that_differs_is_seen(group: dict[str, Any], expected: list[str]) -> None:
    assert expected == kinds(SEEN, expect(survivors=[group, GROUPS[1]]))


def test_group_that_nobody_named_is_unexpected() -> None:
    assert ["unexpected"] == kinds(SEEN, expect(survivors=GROUPS[:1]))


def test_host_with_two_groups_is_named_with_its_paths() -> None:
    two = _seen(SEEN.findings, (*SEEN.survivors, snapshot("web1", 3, "/etc")))
    named = [{**GROUPS[0], "paths": ["/srv"]}, {"host": "web1", "paths": ["/etc"], "count": 1}]

    assert [] == kinds(two, expect(survivors=[*named, GROUPS[1]]))
    assert "unmet" in kinds(two, expect())


def test_survivors_that_are_not_named_at_all_are_free() -> None:
    assert [] == kinds(SEEN, expect(survivors=[]))


def test_two_runs_that_differ_are_told_apart() -> None:
    pack = "data/" + "{}" * 64
    again = _seen((GAP, LATE), SEEN.survivors[:2])
    first = _seen((Finding("lost", pack.format(*"a" * 64), ""),), ())
    second = _seen((Finding("lost", pack.format(*"b" * 64), ""),), ())

    assert ["disagreement"] == [f.kind for f in differences("x", SEEN, again)]
    assert () == differences("x", SEEN, SEEN)
    # A pack's name is chance.
    assert () == differences("x", first, second)
