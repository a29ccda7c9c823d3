"""The audit: a repository's snapshots against what its configuration and its policy promise.

Dates first: what follows (gaps, ages, changes) is judged by the snapshots whose dates nothing
contradicts. With snapshots alone, and no repository to read, what needs content is left out, and
the coverage says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from verifier.core.decision import Decision, GroupKey
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.drill.audited import Audited, group_section, host_section, suspect_section
from verifier.drill.history import History
from verifier.drill.includes import Excluded, Includes
from verifier.drill.locks import check_locks
from verifier.reader.repository import Repository
from verifier.retention.ages import Age, check_ages, host_ages
from verifier.retention.anomalies import Change, check_changes
from verifier.retention.checks import policy_bound
from verifier.retention.dating import Forgetting, check_dates, suspects, victims
from verifier.retention.decide import decide, group_key
from verifier.retention.gaps import Gap, find_gaps, gap_text
from verifier.retention.surprises import surprises

JUDGED = timedelta(days=35)
"""Changes of so long ago are history: the audit before this one has judged them."""

FORGOTTEN_WITHIN = timedelta(days=7)
"""How long a snapshot may stay that forget would remove, before somebody is told."""

_DATES = frozenset({"future-snapshot", "back-dated"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What a repository's snapshots are held to.

    Attributes:
        hosts: name -> its includes; none where nobody has said which hosts there are.
        scheduled: the configuration has a backup due every day.
        effects: host -> what its excludes left out.
        only: hosts that are looked at; all where none is named.
    """

    forgetting: Forgetting
    hosts: Mapping[str, tuple[str, ...]] | None
    warn_age: timedelta
    alarm_age: timedelta
    exclude_percent: int = 50
    scheduled: bool = False
    effects: Mapping[str, tuple[Excluded, ...]] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    def chosen(self, snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
        """Return the snapshots of the hosts that are looked at."""
        return tuple(s for s in snapshots if not self.only or s.host in self.only)


def audit(repository: Repository, terms: Terms, now: datetime) -> Audited:
    """Audit a repository.

    Raises:
        RepositoryUnreadable: its files cannot be read at all.
    """
    snapshots = terms.chosen(repository.snapshots())
    damages = [d for d in repository.damages() if d.file.startswith("snapshots/")]
    unread = tuple(Finding("could-not-verify", d.file, f"{d.what}") for d in damages)
    locks = tuple(check_locks(repository, now))
    study = _Study(snapshots, terms, now, History(repository))
    return study.conclude((*unread, *locks), unread=len(unread), locks=len(locks))


def audit_snapshots(snapshots: Sequence[Snapshot], terms: Terms, now: datetime) -> Audited:
    """Audit a list of snapshots without the repository: dates, ages and gaps alone."""
    return _Study(terms.chosen(snapshots), terms, now, None).conclude(())


class _Study:
    """One audit under way."""

    def __init__(
        self, snapshots: Sequence[Snapshot], terms: Terms, now: datetime, history: History | None
    ) -> None:
        self.terms, self.now, self.history = terms, now, history
        self.snapshots = snapshots
        by = terms.forgetting
        self.suspected = suspects(snapshots, history.traces(snapshots) if history else {}, now=now)
        self.lost = victims(snapshots, self.suspected, by, now=now)
        wrong = {suspect.snapshot.id for suspect in self.suspected}
        believed = [s for s in snapshots if s.id not in wrong]
        self.believed = believed
        self.groups: dict[GroupKey, list[Snapshot]] = {}
        for snapshot in sorted(believed, key=lambda s: s.taken_at):
            self.groups.setdefault(group_key(snapshot, by.group_by), []).append(snapshot)
        self.decision = self._decide(snapshots)
        self.surprises = self._surprises(self._decide(believed))
        self.ages = self._ages(believed)
        self.gaps = {
            key: find_gaps(group, by.policy, zone=by.zone, scheduled=terms.scheduled)
            for key, group in self.groups.items()
        }
        self.changes = {key: self._changes(group) for key, group in self.groups.items()}

    def _decide(self, snapshots: Iterable[Snapshot]) -> Decision:
        by = self.terms.forgetting
        return decide(
            snapshots, by.policy, by.rules, now=self.now, zone=by.zone, group_by=by.group_by
        )

    def _surprises(self, decision: Decision) -> tuple[Finding, ...]:
        by = self.terms.forgetting
        found = surprises(decision, by.policy, by.rules, now=self.now, reader_zone=by.zone)
        return tuple(f for f in found if f.kind not in _DATES)

    def _ages(self, believed: Sequence[Snapshot]) -> tuple[Age, ...]:
        hosts: Iterable[str] | None = self.terms.hosts
        if hosts is None:
            # Nobody said which hosts there are: those that have not been left behind by the rest.
            frozen = {f.subject for f in self.surprises if f.kind == "frozen-group"}
            alive = (group for key, group in self.groups.items() if str(key) not in frozen)
            hosts = sorted({snapshot.host for group in alive for snapshot in group})
        doubted = [suspect.snapshot for suspect in self.suspected]
        return host_ages(believed, now=self.now, hosts=hosts, doubted=doubted)

    def _changes(self, group: Sequence[Snapshot]) -> tuple[Change, ...]:
        recent = group[-1].taken_at >= self.now - JUDGED
        return self.history.changes(group) if self.history and recent else ()

    def findings(self) -> Iterator[Finding]:
        """Yield what is to be said, dates first."""
        terms = self.terms
        yield from check_dates(self.suspected, self.lost, terms.forgetting.group_by)
        ages = self.ages if terms.hosts is not None else [a for a in self.ages if a.expected]
        yield from check_ages(ages, warn_age=terms.warn_age, alarm_age=terms.alarm_age)
        strangers = {age.host for age in ages if not age.expected}
        told = {str(key) for key, group in self.groups.items() if group[0].host in strangers}
        for surprise in self.surprises:
            if surprise.kind != "frozen-group" or surprise.subject not in told:
                yield surprise
        for key, gaps in self.gaps.items():
            yield from self._gap_findings(key, gaps)
        for key, group in self.groups.items():
            yield from self._over_bound(key, group)
        for key, group in self.groups.items():
            yield from self._torn(key, group)
        for key, changes in self.changes.items():
            yield from check_changes(changes, str(key), since=self.now - JUDGED)
        if self.history is not None:
            yield from self._include_findings(self.history)

    def _gap_findings(self, key: GroupKey, gaps: Sequence[Gap]) -> Iterator[Finding]:
        for rule in dict.fromkeys(gap.rule for gap in gaps):
            ours = [gap for gap in gaps if gap.rule == rule]
            shown = "; ".join(f"{gap_text(gap)}{self._cause(gap)}" for gap in ours[:5])
            more = f"; and {len(ours) - 5} more" if len(ours) > 5 else ""
            policy = self.terms.forgetting.policy
            detail = f"no restore point for {shown}{more}, within the reach of {policy}"
            evidence = {"rule": rule, "gaps": [gap_text(gap) for gap in ours[:50]]}
            yield Finding("gap", str(key), detail, evidence)

    def _cause(self, gap: Gap) -> str:
        parent = self.history.parent(gap.after) if self.history else ""
        if not parent or parent == gap.before.id:
            return ": no backup was made" if parent else ""
        if any(parent == snapshot.id for snapshot in self.snapshots):
            return ""
        return f": {gap.after.short_id} builds on {parent[:8]}, which was removed"

    def _over_bound(self, key: GroupKey, group: Sequence[Snapshot]) -> Iterator[Finding]:
        bound = policy_bound(self.terms.forgetting.policy)
        settled = sum(self.now - s.taken_at > FORGOTTEN_WITHIN for s in group)
        if bound is not None and settled > bound:
            detail = (
                f"holds {settled} snapshots older than a week where the policy keeps {bound} at "
                "most: forget does not run, or runs with another policy"
            )
            yield Finding("over-bound", str(key), detail, {"snapshots": settled, "bound": bound})

    def _torn(self, key: GroupKey, group: Sequence[Snapshot]) -> Iterator[Finding]:
        flaws = self.history.torn if self.history else {}
        torn = [snapshot for snapshot in group if snapshot.id in flaws]
        if torn:
            newest = torn[-1]
            detail = (
                f"{len(torn)} of the snapshots that were compared cannot be read whole, the newest "
                f"{newest.short_id}: {flaws[newest.id]}; `monthly` says which files are lost"
            )
            evidence = {"snapshots": [snapshot.id for snapshot in torn[:50]]}
            yield Finding("lost", str(key), detail, evidence)

    def _include_findings(self, history: History) -> Iterator[Finding]:
        for host, includes in (self.terms.hosts or {}).items():
            held = Includes(self.believed or self.snapshots, host, history.census)
            yield from held.check(includes)
            effects = self.terms.effects.get(host, ())
            yield from held.check_excludes(includes, effects, self.terms.exclude_percent)

    def conclude(self, own: tuple[Finding, ...], *, unread: int = 0, locks: int = 0) -> Audited:
        """Return the audit's parts of a report."""
        gaps = sum(len(gaps) for gaps in self.gaps.values())
        return Audited(
            findings=(*own, *self.findings()),
            section=_section(self),
            measurements={
                "groups": len(self.groups),
                "gaps": gaps,
                "suspects": len(self.suspected),
                "changes": sum(len(changes) for changes in self.changes.values()),
                "stale_locks": locks,
            },
            checked=len(self.snapshots),
            total=len(self.snapshots) + unread,
            skipped=_skipped(self, unread),
        )


def _skipped(study: _Study, unread: int) -> dict[str, int]:
    history = study.history
    found = {
        "unreadable": unread,
        "content not read": 0 if history else len(study.snapshots),
        "too much to count": history.uncounted if history else 0,
        "changes too large to compare": history.uncompared if history else 0,
    }
    return {reason: number for reason, number in found.items() if number}


def _section(study: _Study) -> dict[str, object]:
    forgetting = study.terms.forgetting
    removed = {snapshot.id for snapshot in study.decision.removed()}
    return {
        "policy": str(forgetting.policy),
        "rules": forgetting.rules.release,
        "hosts": [host_section(age) for age in study.ages],
        "groups": [
            group_section(
                key,
                group,
                study.gaps[key],
                study.changes[key],
                sum(snapshot.id in removed for snapshot in group),
            )
            for key, group in study.groups.items()
        ],
        "suspects": [suspect_section(suspect) for suspect in study.suspected],
    }
