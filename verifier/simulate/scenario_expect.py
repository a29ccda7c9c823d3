"""What a scenario showed, held against what it expects: equal as sets, both ways.

It reads its expectation from the file alone, never from what the world was built of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from verifier.config.scenario import Expect, ExpectedFinding, ExpectedGroup
from verifier.core.finding import Finding, Verdict, worst
from verifier.core.snapshot import Snapshot
from verifier.simulate.scenario_alerts import Alert
from verifier.simulate.scenario_expect_alerts import (
    UNEXPECTED,
    UNMET,
    match_alerts,
    match_recovery,
)
from verifier.simulate.scenario_recovery import Recovery


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scenario showed.

    Attributes:
        findings: of the timeline and of the audit at its end.
        survivors: the snapshots that are left.
        alerts: the incidents that monitoring would have raised.
        recovery: every host's recovery point on every day.
    """

    findings: tuple[Finding, ...]
    survivors: tuple[Snapshot, ...]
    alerts: tuple[Alert, ...]
    recovery: tuple[Recovery, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict that they make."""
        return worst(self.findings)


def match(name: str, seen: Seen, expect: Expect) -> tuple[Finding, ...]:
    """Return a finding for everything that was seen and not expected, or expected and not seen.

    Findings that are no worse than OK may be expected, and need not be.

    Args:
        name: of the scenario.
    """
    return (
        *_match_verdict(name, seen.verdict, expect.verdict),
        *_match_findings(name, seen.findings, expect.findings),
        *(_match_survivors(name, seen.survivors, expect.survivors) if expect.survivors else ()),
        # That nothing is raised has to be said: an empty list is not none.
        *(() if expect.alerts is None else match_alerts(name, seen.alerts, expect.alerts)),
        *match_recovery(name, seen.recovery, expect.recovery),
    )


def _match_verdict(name: str, seen: Verdict, expected: str) -> Iterator[Finding]:
    if seen.name != expected:
        yield Finding(UNMET, name, f"expects the verdict {expected} and ended with {seen.name}")


def _match_findings(
    name: str, seen: Iterable[Finding], expected: Sequence[ExpectedFinding]
) -> Iterator[Finding]:
    met: set[ExpectedFinding] = set()
    told: set[tuple[str, str]] = set()
    for finding in seen:
        wanted = [one for one in expected if _meets(finding, one)]
        met.update(wanted)
        mark = finding.kind, finding.subject
        if not wanted and finding.severity is not Verdict.OK and mark not in told:
            told.add(mark)
            detail = f"showed {finding.kind} for {finding.subject}: {finding.detail}"
            yield Finding(UNEXPECTED, name, detail, {"kind": finding.kind, **finding.evidence})
    for one in expected:
        if one not in met:
            yield Finding(UNMET, name, f"expects {one.kind} for {one.subject}, which was not seen")


def _meets(finding: Finding, expected: ExpectedFinding) -> bool:
    return finding.kind == expected.kind and fnmatchcase(finding.subject, expected.subject)


def _match_survivors(
    name: str, seen: Sequence[Snapshot], expected: Sequence[ExpectedGroup]
) -> Iterator[Finding]:
    left: dict[tuple[str, tuple[str, ...]], list[Snapshot]] = {}
    for snapshot in seen:
        left.setdefault((snapshot.host, tuple(sorted(snapshot.paths))), []).append(snapshot)
    for one in expected:
        keys = [key for key in left if _is_of(key, one)]
        if len(keys) != 1:
            many = "nothing" if not keys else f"{len(keys)} lists of paths"
            detail = f"expects {one.count} snapshots of {_named(one)}, and {many} survived"
            yield Finding(UNMET, name, detail)
        else:
            yield from _match_group(name, left[keys[0]], one)
        for key in keys:
            del left[key]
    for (host, paths), snapshots in sorted(left.items()):
        detail = f"{len(snapshots)} snapshots of {host} {' '.join(paths)} survived"
        yield Finding(UNEXPECTED, name, detail)


def _is_of(key: tuple[str, tuple[str, ...]], expected: ExpectedGroup) -> bool:
    host, paths = key
    return host == expected.host and (
        expected.paths is None or tuple(sorted(expected.paths)) == paths
    )


def _match_group(
    name: str, snapshots: Sequence[Snapshot], expected: ExpectedGroup
) -> Iterator[Finding]:
    in_order = sorted(snapshots, key=lambda snapshot: snapshot.taken_at)
    if expected.tags is not None:
        carried = {tuple(sorted(snapshot.tags)) for snapshot in snapshots}
        if carried != {tuple(sorted(expected.tags))}:
            detail = f"expects tags {list(expected.tags)} of {_named(expected)}, and not so all"
            yield Finding(UNMET, name, f"{detail}: {sorted(carried)}")
    found = {
        "count": (expected.count, len(in_order)),
        "oldest": (expected.oldest, in_order[0].taken_at.date()),
        "newest": (expected.newest, in_order[-1].taken_at.date()),
    }
    for what, (wanted, seen) in found.items():
        if wanted is not None and wanted != seen:
            detail = f"expects {what} {wanted} of {_named(expected)}, and it is {seen}"
            yield Finding(UNMET, name, detail)


def _named(group: ExpectedGroup) -> str:
    return " ".join((group.host, *(group.paths or ())))
