"""Expectations turned round: each by one thing, so that what held before must fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from verifier.config.scenario import Expect, ExpectedFinding, ExpectedGroup

VERDICTS = ("OK", "WARNING", "UNKNOWN", "CRITICAL")
NOWHERE = "no subject at all"


def turned(expect: Expect) -> Iterator[tuple[str, Expect]]:
    """Yield what was turned, and the expectation that no run may meet any more."""
    for verdict in VERDICTS:
        if verdict != expect.verdict:
            yield f"verdict {verdict}", _with(expect, verdict=verdict)
    for index, finding in enumerate(expect.findings):
        rest = (*expect.findings[:index], *expect.findings[index + 1 :])
        yield f"without {finding.kind}", _with(expect, findings=rest)
        moved = finding.model_copy(update={"subject": NOWHERE})
        yield f"{finding.kind} elsewhere", _with(expect, findings=(*rest, moved))
    more = ExpectedFinding.model_validate({"kind": "internal"})
    yield "one finding more", _with(expect, findings=(*expect.findings, more))
    for index, group in enumerate(expect.survivors):
        for what, changed in _turned_group(group):
            groups = (*expect.survivors[:index], changed, *expect.survivors[index + 1 :])
            yield f"{group.host} {what}", _with(expect, survivors=groups)
        left = (*expect.survivors[:index], *expect.survivors[index + 1 :])
        if left:
            yield f"without {group.host}", _with(expect, survivors=left)


def _turned_group(group: ExpectedGroup) -> Iterator[tuple[str, ExpectedGroup]]:
    yield "one more", group.model_copy(update={"count": group.count + 1})
    yield "another host", group.model_copy(update={"host": "nobody"})
    yield "other paths", group.model_copy(update={"paths": ("/nowhere",)})
    for end in ("oldest", "newest"):
        day = getattr(group, end)
        if day is not None:
            yield end, group.model_copy(update={end: day + timedelta(days=1)})


def _with(expect: Expect, **changed: object) -> Expect:
    return expect.model_copy(update=changed)
