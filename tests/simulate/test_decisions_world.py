"""Every decision is the real restic's, held against the model's; a difference is seen and counted.

Restic itself decides, or an answer of its altered by one thing; its healthy twin is the answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.simulate.systems import (
    PASSWORD,
    RESTIC,
    config,
    kinds,
    model_of,
    steps_of,
    subjects,
    survivors,
)
from verifier.config.models import Config
from verifier.core.decision import Decision, GroupDecision
from verifier.fleet.local import LocalHost
from verifier.restic.binary import Restic
from verifier.restic.commands import Access
from verifier.retention.checks import Promises
from verifier.retention.rules import Rules, rules_for
from verifier.simulate.forge import Forge, make_repository
from verifier.simulate.segments import Segment, cut
from verifier.simulate.simulation import Result, Simulation, run_real
from verifier.simulate.timeline import Days, Deviations, Following, PathChange, Step, follow
from verifier.simulate.worlds.cycle import Template
from verifier.simulate.worlds.decisions import DecisionsWorld

Alter = Callable[[Decision], Decision]
RELEASES = ["0.14.0", "0.18.0", "0.19.1"]
OLD = rules_for("0.14.0")


def same(decision: Decision) -> Decision:
    return decision


def ask(repository: Path, program: str, system: Config) -> Decision:
    env = {"TZ": system.schedule.timezone}
    access = Access(str(repository), password=PASSWORD, env=env, options=("--no-cache",))
    restic = Restic(LocalHost(), program, access)
    return restic.plan_forget(system.policy(), system.group_by)


class Lab:
    """Opens worlds of real decisions, copies of one template."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder, self._template = folder, template
        self.opened = 0

    def world(
        self,
        system: Config,
        *,
        program: str = RESTIC,
        rules: Rules = OLD,
        alter: Alter = same,
    ) -> DecisionsWorld:
        self.opened += 1
        repository = self._folder / f"repository{self.opened}"
        shutil.copytree(self._template, repository)
        return DecisionsWorld(
            Forge(repository, PASSWORD),
            lambda: alter(ask(repository, program, system)),
            model_of(system, rules),
        )

    def run(self, system: Config, deviations: Deviations | None = None, **more: Any) -> Following:
        """Run a system to its end."""
        outcomes = map(self.world(system, **more).run, steps_of(system, deviations))
        promises, state = Promises(system.policy(), system.zone), Following()
        for state, _ in follow(outcomes, promises, system.group_by):
            assert 0 <= state.agreed <= state.compared
        return state

    def run_in_segments(self, system: Config, *, rules: Rules, alter: Alter = same) -> Result:
        """Run a system in three segments, the model by other rules where they are given."""

        @contextmanager
        def open_world(_: Segment) -> Iterator[DecisionsWorld]:
            yield self.world(system, rules=rules, alter=alter)

        simulation = Simulation(
            steps_of(system), system.policy(), rules, system.zone, system.group_by
        )
        return run_real(
            simulation,
            open_world,
            segments=3,
            workers=3,
            advance=lambda _: None,
            note=lambda _: None,
            end=lambda: None,
        )


@pytest.fixture(scope="session")
def template(
    tmp_path_factory: pytest.TempPathFactory, restic_release: Callable[[str], Path]
) -> Template:
    folder = tmp_path_factory.mktemp("decisions") / "repository"
    make_repository(folder, PASSWORD, LocalHost(), str(restic_release("0.14.0")))
    return Template(folder, PASSWORD)


@pytest.fixture
def lab(tmp_path: Path, template: Template) -> Lab:
    return Lab(tmp_path, template.folder)


@pytest.fixture
def old(restic_release: Callable[[str], Path]) -> str:
    return str(restic_release("0.14.0"))


# Agreement.


POLICIES: list[dict[str, Any]] = [
    {"keep-last": 2},
    {"keep-daily": 3, "keep-weekly": 2},
    {"keep-within": "4d"},
    {"keep-within-daily": "3d", "keep-within-weekly": "14d"},
    {"keep-daily": 2, "keep-within": "3d12h"},
]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_model_and_restic_agree_across_a_change_of_the_clocks(
    lab: Lab, restic_release: Callable[[str], Path], release: str, policy: dict[str, Any]
) -> None:
    hosts = [{"name": "web1", "include": ["/srv"]}]
    system = config(days=9, start="2024-03-06", hosts=hosts, retention=policy)
    found = lab.run(system, program=str(restic_release(release)), rules=rules_for(release))

    assert () == found.findings()
    assert 9 == found.compared == found.agreed


@pytest.mark.parametrize("group_by", ["host,paths", "paths", "host", "tags", ""])
def test_every_grouping_agrees_with_the_model(lab: Lab, old: str, group_by: str) -> None:
    """With a host that is down for a while, and paths that change and change back."""
    system = config(days=7, retention={"keep-last": 2, "group-by": group_by})
    changes = tuple(
        PathChange("web1", date(2024, 1, day), paths)
        for day, paths in ((3, ("/srv", "/etc")), (5, ("/srv",)))
    )
    down = (("db1", Days(date(2024, 1, 2), date(2024, 1, 4))),)
    found = lab.run(system, Deviations(down=down, changes=changes), program=old)

    assert () == found.findings()
    assert found.compared == found.agreed >= 7


def test_a_seeded_world_goes_on_as_the_model(lab: Lab, old: str) -> None:
    system = config(days=8, retention={"keep-within": "3d", "keep-weekly": 2})
    half = cut(steps_of(system), model_of(system, OLD), 2)[1]
    world = lab.world(system, program=old)
    world.seed(half.start)
    outcomes = [world.run(step) for step in half.steps]

    assert half.start
    assert [()] * 4 == [outcome.findings for outcome in outcomes]
    assert world.fingerprints().keys() == {
        s.id for group in outcomes[-1].groups for s in group.keep
    }


@pytest.mark.parametrize(
    ("release", "kind", "kept"), [("0.18.0", "forget-refused", 6), ("0.14.0", "group-wiped", 0)]
)
def test_model_and_restic_refuse_or_wipe_alike(
    lab: Lab, restic_release: Callable[[str], Path], release: str, kind: str, kept: int
) -> None:
    system = config(retention={"keep-tag": ["never"]})
    found = lab.run(system, program=str(restic_release(release)), rules=rules_for(release))

    assert kind in kinds(found)
    assert "disagreement" not in kinds(found)
    assert 6 == found.compared == found.agreed
    assert kept == len(survivors(found))


# Seen red.


def first(change: Callable[[GroupDecision], GroupDecision]) -> Alter:
    """Return an alteration of an answer's first group, where that has more than one snapshot."""

    def alter(decision: Decision) -> Decision:
        group = decision.groups[0]
        if len(group.keep) < 2:
            return decision
        return replace(decision, groups=(change(group), *decision.groups[1:]))

    return alter


def takes_the_newest(group: GroupDecision) -> GroupDecision:
    remove = (group.keep[0], *group.remove)
    return replace(group, keep=group.keep[1:], reasons=group.reasons[1:], remove=remove)


def spares_one(group: GroupDecision) -> GroupDecision:
    keep, reasons = (*group.keep, *group.remove[:1]), (*group.reasons, ("spared",))
    if not group.remove:
        return group
    return replace(group, keep=keep, reasons=reasons, remove=group.remove[1:])


def words_it_otherwise(group: GroupDecision) -> GroupDecision:
    return replace(group, reasons=(("for fun",), *group.reasons[1:]))


ALTERATIONS: dict[str, tuple[Alter, set[str]]] = {
    "takes-the-newest": (
        first(takes_the_newest),
        {"disagreement", "newest-removed", "promise-broken"},
    ),
    "spares-one": (first(spares_one), {"disagreement", "over-bound"}),
    "gives-another-reason": (first(words_it_otherwise), {"disagreement"}),
    "passes-over-a-group": (
        lambda decision: replace(decision, groups=decision.groups[1:]),
        {"disagreement", "newest-removed", "promise-broken"},
    ),
    "names-another-group": (
        lambda decision: replace(
            decision,
            groups=(
                replace(decision.groups[0], key=replace(decision.groups[0].key, host="x")),
                *decision.groups[1:],
            ),
        ),
        {"disagreement", "newest-removed", "promise-broken"},
    ),
    "refuses": (lambda decision: replace(decision, refused="no"), {"disagreement", "over-bound"}),
    "same": (same, set()),
}


@pytest.mark.parametrize(("alter", "expected"), ALTERATIONS.values(), ids=ALTERATIONS.keys())
def test_an_answer_altered_by_one_thing_is_seen(
    lab: Lab, old: str, alter: Alter, expected: set[str]
) -> None:
    found = lab.run(config(days=5), program=old, alter=alter)

    assert expected == kinds(found)
    assert bool(expected) == (found.agreed < found.compared)


def test_a_difference_is_told_once(lab: Lab, old: str) -> None:
    """Restic keeps one snapshot less on one day; the model goes on from there."""
    days = iter(range(100))

    def on_the_third_day(decision: Decision) -> Decision:
        return first(takes_the_oldest)(decision) if next(days) == 2 else decision

    def takes_the_oldest(group: GroupDecision) -> GroupDecision:
        remove = (group.keep[-1], *group.remove)
        return replace(group, keep=group.keep[:-1], reasons=group.reasons[:-1], remove=remove)

    system = config(days=6, retention={"keep-daily": 4})
    found = lab.run(system, program=old, alter=on_the_third_day)

    told = [record for record in found.records if "disagreement" in kinds(record.findings)]
    assert [found.records[2]] == told
    assert found.agreed == found.compared - 1


def test_an_unexpected_refusal_removes_nothing(lab: Lab, old: str) -> None:
    def refuses(decision: Decision) -> Decision:
        return replace(decision, refused="unable to create lock")

    found = lab.run(config(days=4), program=old, alter=refuses)

    assert 8 == len(survivors(found))
    assert [2, 4, 6, 8] == [record.kept for record in found.records]
    assert () == found.records[0].removed


def test_a_model_by_other_rules_disagrees_and_the_run_is_repeated_whole(
    lab: Lab, restic_release: Callable[[str], Path]
) -> None:
    """0.18 keeps the oldest and 0.14 does not; the twin asks a model that has it right."""
    system = config(days=9, retention={"keep-daily": 2, "keep-weekly": 4})
    wrong = lab.run_in_segments(system, rules=rules_for("0.18.0"))
    opened = lab.opened
    right = lab.run_in_segments(system, rules=OLD)

    assert "disagreement" in kinds(wrong.followed)
    assert wrong.followed.agreed < wrong.followed.compared
    assert (4, 3) == (opened, lab.opened - opened)
    assert () == right.followed.findings() == right.seams
    assert [step.at for step in steps_of(system)] == [r.step.at for r in wrong.followed.records]


def test_a_step_that_does_not_run_asks_nothing(lab: Lab) -> None:
    def never(_: Decision) -> Decision:
        raise AssertionError("restic was asked")

    world = lab.world(config(), alter=never)
    step = steps_of(config())[0]
    outcome = world.run(Step(step.at, (), ("web1", "db1"), ran=False))

    assert ((), (), 0) == (outcome.created, outcome.groups, outcome.compared)


def test_a_disagreement_names_the_group_and_the_snapshot(lab: Lab, old: str) -> None:
    found = lab.run(config(days=4), program=old, alter=first(takes_the_newest))

    assert "web1 /srv" in subjects(found) or "db1 /etc, /srv" in subjects(found)
    (told, *_) = [f for f in found.findings() if f.kind == "disagreement"]
    assert told.evidence["model"]
    assert not told.evidence["restic"]
