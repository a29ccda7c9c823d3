"""The audit of real repositories: each fault is found under its name, its healthy twin is not."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.drill.lab import PASSWORD, Lab
from verifier.clock.system import SystemClock
from verifier.core.finding import Finding, Verdict
from verifier.core.policy import Policy
from verifier.core.snapshot import Snapshot
from verifier.drill.audit import Terms, audit, audit_snapshots
from verifier.drill.audited import Audited
from verifier.drill.includes import Excluded
from verifier.reader.repository import open_repository
from verifier.reader.seal import NONCE_BYTES, seal
from verifier.reader.storage import pack_name
from verifier.retention.dating import Forgetting
from verifier.retention.rules import rules_for
from verifier.simulate.forge import Forge

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
POLICY = Policy(daily=30, weekly=5, monthly=12)
TERMS = Terms(
    Forgetting(POLICY, rules_for("0.18.0"), UTC, ("host", "paths")),
    {"web1": ("/srv",)},
    warn_age=timedelta(hours=24),
    alarm_age=timedelta(hours=28),
    scheduled=True,
)


def daily(*days: int, host: str = "web1", hours: float = 8) -> list[Snapshot]:
    return [
        Snapshot(f"{host}{day}", NOW - timedelta(days=day, hours=hours), host, ("/srv",))
        for day in days
    ]


def test_groups_that_differ_by_tags_alone_are_told_apart() -> None:
    by_tags = replace(TERMS.forgetting, group_by=("host", "paths", "tags"))
    taken = [NOW - timedelta(days=day) for day in (1, 3)]
    snapshots = [
        Snapshot(f"{tag}{at:%d}", at, "web1", ("/srv",), (tag,)) for at in taken for tag in "ab"
    ]
    found = audit_snapshots(snapshots, replace(TERMS, forgetting=by_tags), NOW).findings

    assert ["web1 /srv [a]", "web1 /srv [b]"] == [f.subject for f in found if f.kind == "gap"]


def said(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(f.kind, f.subject) for f in findings if f.severity != Verdict.OK}


def told(audited: Audited) -> set[tuple[str, str]]:
    return said(audited.findings)


HEALTHY = daily(*range(30))


def test_healthy_list_is_told_nothing() -> None:
    assert set() == told(audit_snapshots(HEALTHY, TERMS, NOW))


@pytest.mark.parametrize(
    ("snapshots", "kind", "subject"),
    [
        (daily(*range(5), *range(6, 30)), "gap", "web1 /srv"),
        (daily(*range(30), hours=25), "late", "web1"),
        (daily(*range(3, 30)), "stopped", "web1"),
        ([], "empty", "web1"),
        ([*HEALTHY, *daily(*range(60, 90), host="gone")], "frozen-group", "gone"),
        ([*HEALTHY, *daily(-2)], "future-snapshot", "web1 /srv"),
        (
            [*HEALTHY, replace(daily(9, hours=3)[0], id="x", made_at=NOW)],
            "back-dated",
            "web1 /srv",
        ),
        (daily(*range(80)), "over-bound", "web1 /srv"),
    ],
)
def test_each_fault_of_a_list_is_found_alone(
    snapshots: list[Snapshot], kind: str, subject: str
) -> None:
    assert {(kind, subject)} == told(audit_snapshots(snapshots, TERMS, NOW))


def test_future_snapshot_hides_no_stopped_host() -> None:
    found = told(audit_snapshots([*daily(*range(3, 30)), *daily(-2)], TERMS, NOW))

    assert {("stopped", "web1"), ("future-snapshot", "web1 /srv")} == found


def test_back_dated_snapshot_fills_no_gap() -> None:
    forged = replace(daily(5)[0], id="x", made_at=NOW)
    found = told(audit_snapshots([*daily(*range(5), *range(6, 30)), forged], TERMS, NOW))

    assert {("gap", "web1 /srv"), ("back-dated", "web1 /srv")} == found


def test_host_of_back_dated_snapshots_alone_is_not_said_to_have_none() -> None:
    forged = [replace(s, id=f"x{s.id}", made_at=NOW) for s in daily(*range(5, 17))]
    found = audit_snapshots(forged, TERMS, NOW).findings
    (empty,) = (finding for finding in found if finding.kind == "empty")

    assert "no snapshot of it whose date is believed, and 12 whose date is not" in empty.detail


def test_without_a_configuration_left_hosts_are_frozen_and_not_stopped() -> None:
    snapshots = [*HEALTHY, *daily(*range(60, 90), host="gone")]
    found = told(audit_snapshots(snapshots, replace(TERMS, hosts=None), NOW))

    assert {("frozen-group", "gone /srv")} == found


def test_without_a_configuration_a_silent_repository_has_stopped() -> None:
    found = told(audit_snapshots(daily(*range(9, 39)), replace(TERMS, hosts=None), NOW))

    assert {("stopped", "web1")} == found


def test_one_host_alone_can_be_audited() -> None:
    terms = replace(TERMS, hosts={"web1": ()}, only=("web1",))
    audited = audit_snapshots([*HEALTHY, *daily(*range(60, 90), host="gone")], terms, NOW)

    assert (set(), 30) == (told(audited), audited.total)


# Repositories, read.


def write(lab: Lab, count: int, draw: random.Random) -> None:
    words = [bytes([letter]) * 4 for letter in range(97, 123)]
    for number in range(count):
        lab.write(**{f"docs__{number}.txt": b" ".join(draw.choices(words, k=3_000))})


def backup(lab: Lab, days_ago: int, now: datetime) -> None:
    at = f"{now - timedelta(days=days_ago, hours=8):%Y-%m-%d %H:%M:%S}"
    lab.restic("backup", "-q", "--host=web1", f"--time={at}", str(lab.live))


def opened(lab: Lab, now: datetime, **changed: object) -> Audited:
    terms = replace(TERMS, hosts={"web1": (str(lab.live),)}, **changed)
    return audit(open_repository(lab.repository, PASSWORD), terms, now)


@pytest.fixture
def aged(lab: Lab) -> Lab:
    """Four nights of a live tree whose files are older than its snapshots are dated."""
    draw = random.Random(3)
    write(lab, 30, draw)
    return lab


SOON = timedelta(days=5)


def later() -> datetime:
    # Change times cannot be set: dates lie ahead of them, as those of real backups do.
    return SystemClock().now() + SOON


def nights(lab: Lab, do: Callable[[Lab], None], now: datetime) -> None:
    for days_ago in (3, 2, 1):
        lab.write(log=str(days_ago).encode())
        backup(lab, days_ago, now)
    do(lab)
    backup(lab, 0, now)


def nothing(_: Lab) -> None:
    """Leave all files as they are."""


def shrink(lab: Lab) -> None:
    for path in sorted(lab.live.glob("docs/*"))[:20]:
        path.unlink()


def rewrite(lab: Lab) -> None:
    write(lab, 30, random.Random(4))


def encrypt(lab: Lab) -> None:
    for path in lab.live.glob("docs/*"):
        path.write_bytes(random.Random(str(path)).randbytes(path.stat().st_size))


def empty_out(lab: Lab) -> None:
    for path in lab.live.glob("docs/*"):
        path.unlink()
    (lab.live / "log").unlink()


@pytest.mark.parametrize(
    ("do", "kinds"),
    [
        (nothing, set()),
        (shrink, {"shrunk"}),
        (rewrite, {"mass-change"}),
        (encrypt, {"mass-change", "scrambled"}),
        (empty_out, {"shrunk", "empty"}),
    ],
)
def test_change_between_two_backups_is_told(
    aged: Lab, do: Callable[[Lab], None], kinds: set[str]
) -> None:
    now = later()
    nights(aged, do, now)
    audited = opened(aged, now)

    assert kinds == {kind for kind, _ in told(audited)}
    assert (4, 4) == (audited.checked, audited.total)


def test_snapshot_whose_trees_are_gone_is_lost_and_not_shrunk(aged: Lab) -> None:
    now = later()
    nights(aged, rewrite, now)
    repository = open_repository(aged.repository, PASSWORD)
    newest = max(repository.snapshots(), key=lambda snapshot: snapshot.taken_at)
    (copy,) = repository.index.find(newest.tree)
    (aged.repository / pack_name(copy.pack)).unlink()
    found = opened(aged, now)
    (lost,) = [f for f in found.findings if f.kind == "lost"]

    assert {("lost", f"web1 {aged.live}")} == told(found)
    assert f"the newest {newest.short_id}" in lost.detail
    assert copy.pack in lost.detail


def test_file_newer_than_its_snapshot_gives_it_away(aged: Lab) -> None:
    now = later()
    nights(aged, nothing, now)
    backup(aged, 40, now)
    found = opened(aged, now)

    assert ("back-dated", f"web1 {aged.live}") in told(found)
    assert "it holds a file that changed on" in str(found.section["suspects"])


def test_gap_says_whether_a_backup_was_removed(aged: Lab) -> None:
    now = later()
    for days_ago in (4, 3, 2, 1, 0):
        aged.write(log=str(days_ago).encode())
        backup(aged, days_ago, now)
    listed = json.loads(aged.restic("snapshots", "--json"))
    aged.restic("forget", "-q", listed[2]["id"])
    [gap] = [f for f in opened(aged, now).findings if f.kind == "gap"]

    assert "which was removed" in gap.detail


def test_gap_says_that_no_backup_was_made(aged: Lab) -> None:
    now = later()
    for days_ago in (4, 3, 1, 0):
        aged.write(log=str(days_ago).encode())
        backup(aged, days_ago, now)
    [gap] = [f for f in opened(aged, now).findings if f.kind == "gap"]

    assert "no backup was made" in gap.detail


def lock(lab: Lab, message: bytes) -> None:
    keys = open_repository(lab.repository, PASSWORD).keys
    folder = lab.repository / "locks"
    folder.mkdir(exist_ok=True)
    (folder / ("a" * 64)).write_bytes(seal(message, keys, os.urandom(NONCE_BYTES)))


@pytest.mark.parametrize(
    ("minutes", "exclusive", "kinds"),
    [(5, False, set()), (40, False, {"stale-lock"}), (40, True, {"stale-lock"})],
)
def test_lock_left_behind_is_told(
    aged: Lab, minutes: int, exclusive: bool, kinds: set[str]
) -> None:
    now = later()
    nights(aged, nothing, now)
    at = (now - timedelta(minutes=minutes)).isoformat()
    document = {"time": at, "exclusive": exclusive, "hostname": "web1", "pid": 77}
    lock(aged, json.dumps(document).encode())
    found = opened(aged, now)

    assert kinds == {kind for kind, _ in told(found)}
    assert all("process 77 of web1" in f.detail for f in found.findings if f.kind in kinds)


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b'{"time": 7}', b'{"time": "soon"}'])
def test_lock_that_says_nothing_is_told(aged: Lab, message: bytes) -> None:
    now = later()
    nights(aged, nothing, now)
    lock(aged, message)

    assert {"stale-lock"} == {kind for kind, _ in told(opened(aged, now))}


def test_damaged_snapshot_is_not_passed_over(aged: Lab) -> None:
    now = later()
    nights(aged, nothing, now)
    victim = max((aged.repository / "snapshots").iterdir())
    victim.chmod(0o600)
    victim.write_bytes(b"x" * 200)
    audited = opened(aged, now)

    assert ("could-not-verify", f"snapshots/{victim.name}") in told(audited)
    assert (3, 4) == (audited.checked, audited.total)


@pytest.mark.parametrize(("files", "kinds"), [(20, set()), (40, {"over-excluded"})])
def test_exclude_that_takes_most_of_an_include_is_told(
    aged: Lab, files: int, kinds: set[str]
) -> None:
    now = later()
    nights(aged, nothing, now)
    effect = Excluded("*.tmp", f"{aged.live}/docs/x.tmp", files, 10)
    audited = opened(aged, now, effects={"web1": (effect,)})

    assert kinds == {kind for kind, _ in told(audited)}


@pytest.mark.parametrize(("include", "found"), [("docs", False), ("gone", True)])
def test_include_without_a_file_is_told(aged: Lab, include: str, found: bool) -> None:
    now = later()
    nights(aged, nothing, now)
    wanted = str(aged.live / include)
    audited = audit(
        open_repository(aged.repository, PASSWORD), replace(TERMS, hosts={"web1": (wanted,)}), now
    )

    assert found == (("empty", f"web1:{wanted}") in told(audited))


@pytest.mark.parametrize(
    ("path", "include", "found"),
    [("live", "", False), ("live", "/docs", False), ("live", "/gone", True), (".", "", False)],
)
def test_relative_backup_holds_its_include(aged: Lab, path: str, include: str, found: bool) -> None:
    now = later()
    at = f"{now - timedelta(hours=8):%Y-%m-%d %H:%M:%S}"
    cwd = aged.root if path == "live" else aged.live
    aged.restic("backup", "-q", "--host=web1", f"--time={at}", path, cwd=cwd)
    wanted = f"{aged.live}{include}"
    audited = audit(
        open_repository(aged.repository, PASSWORD), replace(TERMS, hosts={"web1": (wanted,)}), now
    )

    assert ({("empty", f"web1:{wanted}")} if found else set()) == told(audited)


@pytest.mark.heavy
def test_ten_thousand_snapshots_are_all_looked_at(lab: Lab, tmp_path: Path) -> None:
    lab.write(file=b"the one tree")
    lab.backup()
    Forge(lab.repository, PASSWORD).replace_all(
        Snapshot(
            f"{n}", NOW - timedelta(hours=8, days=n // 10), f"web{n % 10}", ("/srv",), made_at=None
        )
        for n in range(10_000)
    )
    terms = replace(TERMS, hosts={f"web{n}": ("/srv",) for n in range(10)})
    audited = audit(open_repository(lab.repository, PASSWORD), terms, NOW)

    assert 10_000 == audited.checked
    assert {"over-bound"} <= {kind for kind, _ in told(audited)}
