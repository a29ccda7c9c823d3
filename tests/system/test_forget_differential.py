"""The model against real restic, on random histories and policies.

Goal: no history and no policy makes the model and a release disagree, reasons included.
Method: one repository with a low-cost key; snapshot files are forged, and `forget --dry-run` of
each release is asked. Red when: any keep set, removal or reason differs (a broken model is
shown below).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.histories import histories, policies
from verifier.core.decision import Decision, differences
from verifier.core.policy import UNLIMITED, Policy
from verifier.core.snapshot import Snapshot
from verifier.fleet.local import LocalHost
from verifier.restic.binary import Restic
from verifier.restic.commands import Access
from verifier.retention.decide import decide
from verifier.retention.rules import rules_for
from verifier.simulate.forge import Forge, make_repository

RELEASES = ("0.14.0", "0.18.0", "0.19.1")
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kolkata", "Europe/Berlin")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD = "differential"
GROUP_BYS = (("host", "paths"), ("host",), (), ("host", "tags"), ("host", "paths", "tags"))

Provide = Callable[[str], Path]


class Peer:
    """One release of restic, asked about forged snapshots."""

    def __init__(self, folder: Path, restic: Path) -> None:
        self.folder = folder
        self.restic = str(restic)
        self.host = LocalHost()
        make_repository(folder, PASSWORD, self.host, self.restic)
        self.forge = Forge(folder, PASSWORD)

    def forget(
        self, snapshots: list[Snapshot], policy: Policy, zone: str, group_by: tuple[str, ...]
    ) -> Decision:
        files = {file: name for name, file in self.forge.replace_all(snapshots).items()}
        named = {snapshot.id: snapshot for snapshot in snapshots}
        access = Access(
            str(self.folder), password=PASSWORD, env={"TZ": zone}, options=("--no-cache",)
        )
        decision = Restic(self.host, self.restic, access).plan_forget(policy, group_by)
        groups = tuple(
            replace(
                group,
                keep=tuple(named[files[s.id]] for s in group.keep),
                remove=tuple(named[files[s.id]] for s in group.remove),
            )
            for group in decision.groups
        )
        return replace(decision, groups=groups)


@pytest.fixture(scope="module", params=RELEASES)
def peer(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    restic_release: Provide,
) -> tuple[str, Peer]:
    folder = tmp_path_factory.mktemp("differential") / "repository"
    return request.param, Peer(folder, restic_release(request.param))


def taken_by(release: str, policy: Policy) -> Policy:
    """Take `unlimited` out where a release does not know it."""
    if rules_for(release).knows_unlimited:
        return policy
    return replace(
        policy,
        last=max(policy.last, 0),
        daily=max(policy.daily, 0) or 1 * (policy.daily == UNLIMITED),
    )


@pytest.mark.heavy
@settings(max_examples=150)
@given(
    history=histories(max_size=50),
    policy=policies,
    zone=st.sampled_from(ZONES),
    group_by=st.sampled_from(GROUP_BYS),
)
def test_model_and_restic_agree(
    peer: tuple[str, Peer],
    history: list[Snapshot],
    policy: Policy,
    zone: str,
    group_by: tuple[str, ...],
) -> None:
    release, restic = peer
    policy = taken_by(release, policy)
    if not policy:
        return
    found = restic.forget(history, policy, zone, group_by)
    expected = decide(
        history, policy, rules_for(release), now=NOW, zone=ZoneInfo(zone), group_by=group_by
    )

    assert expected.refused == found.refused
    if not found.refused:
        assert () == differences(expected, found)


@pytest.mark.heavy
def test_a_wrong_model_is_found_out(peer: tuple[str, Peer]) -> None:
    """Seen red: the rules of the other side of 0.16 disagree on the oldest snapshot."""
    release, restic = peer
    history = [
        Snapshot(str(day), datetime(2024, 3, day, 4, tzinfo=UTC), "a", ("/srv",))
        for day in range(1, 20)
    ]
    policy = Policy(daily=3, yearly=2)
    found = restic.forget(history, policy, "UTC", ("host", "paths"))
    other = "0.18.0" if release == "0.14.0" else "0.14.0"

    assert () == differences(decide(history, policy, rules_for(release), now=NOW), found)
    assert () != differences(decide(history, policy, rules_for(other), now=NOW), found)
