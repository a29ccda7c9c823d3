"""The world as the retention model sees it: nothing but arithmetic, thousands of days a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from verifier.core.decision import GroupDecision, GroupKey
from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.retention.decide import Forget, group_key, newest_first, refusal
from verifier.retention.rules import Rules
from verifier.simulate.timeline import Outcome, Step


class ModelWorld:
    """A repository of which only the snapshot list exists.

    Args:
        zone: TZ of the forgetting process.
    """

    def __init__(self, policy: Policy, rules: Rules, zone: tzinfo, group_by: Sequence[str]) -> None:
        self._policy = policy
        self._zone = zone
        self._rules = rules
        self._forget = Forget(policy, rules, zone)
        self._group_by = group_by
        self._groups: dict[GroupKey, tuple[Snapshot, ...]] = {}

    def obey(self, rules: Rules) -> None:
        """Forget by the rules of another release from now on."""
        self._rules = rules
        self._forget = Forget(self._policy, rules, self._zone)

    def seed(self, snapshots: Sequence[Snapshot]) -> None:
        """Begin with these snapshots instead of none."""
        # Groups stay in the order given: a timeline cut in two then says the same in each half.
        groups: dict[GroupKey, list[Snapshot]] = {}
        for snapshot in snapshots:
            groups.setdefault(group_key(snapshot, self._group_by), []).append(snapshot)
        self._groups = {key: newest_first(group) for key, group in groups.items()}

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return what exists now."""
        return tuple(snapshot for group in self._groups.values() for snapshot in group)

    def run(self, step: Step) -> Outcome:
        """Add the step's snapshots and forget."""
        return self.follow(step, step.due)

    def follow(self, step: Step, created: Sequence[Snapshot]) -> Outcome:
        """Add what was really made on a step, and forget when the step does."""
        if not step.ran:
            return Outcome(step, (), ())
        for snapshot in created:
            key = group_key(snapshot, self._group_by)
            self._groups[key] = _inserted(snapshot, self._groups.get(key, ()))
        now = step.forget_at
        groups = tuple(
            self._forget.decide(key, snapshots, now) for key, snapshots in self._groups.items()
        )
        refused = refusal(groups, self._policy, self._rules)
        if refused:
            finding = Finding(
                "forget-refused", step.at.date().isoformat(), f"restic forget stops: {refused}"
            )
            return Outcome(step, tuple(created), tuple(map(untouched, groups)), (finding,))
        self._groups = {group.key: group.keep for group in groups if group.keep}
        return Outcome(step, tuple(created), groups, tuple(_wiped(groups)))


def _inserted(snapshot: Snapshot, group: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
    if not group or group[0].taken_at <= snapshot.taken_at:
        return (snapshot, *group)
    return newest_first((snapshot, *group))


def untouched(group: GroupDecision) -> GroupDecision:
    """Return what becomes of a group where forget refuses: all of it stays, for no rule's sake."""
    everything = newest_first((*group.keep, *group.remove))
    return GroupDecision(group.key, everything, ((),) * len(everything), ())


def _wiped(groups: Sequence[GroupDecision]) -> list[Finding]:
    return [
        Finding(
            "group-wiped",
            str(group.key),
            f"forget removes all {len(group.remove)} snapshots of the group",
        )
        for group in groups
        if not group.keep
    ]
