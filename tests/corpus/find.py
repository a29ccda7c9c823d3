"""Where each specimen's fault is looked for: from a world to everything that is found in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from fixtures.corpus.of_restored import APPLICATIONS, CANARY, CANARY_SHA256
from fixtures.corpus.world import COPY, HOST, MIRROR, PASSWORD, World
from verifier.clock.system import SystemClock
from verifier.core.errors import CannotVerify
from verifier.core.exclude import parse_excludes
from verifier.core.finding import Finding
from verifier.core.policy import Policy
from verifier.drill.applications import Application, groups
from verifier.drill.audit import Terms, audit
from verifier.drill.includes import Excluded
from verifier.drill.integrity import Reading, check_integrity
from verifier.drill.ledger import Run, open_ledger
from verifier.drill.live import Excluded as Counted
from verifier.drill.mirror import compare_mirror
from verifier.drill.monthly import Drill
from verifier.drill.offsite import compare_copy
from verifier.drill.recorded import open_record
from verifier.drill.rehearse import Asked, Rehearsal, rehearse
from verifier.drill.restore import Source
from verifier.drill.sample import Wanted, choose_sample
from verifier.drill.scratch import scratch
from verifier.drill.target import Target
from verifier.reader.damage import Damage
from verifier.reader.storage import Folder
from verifier.reader.verify import LostFile, verify
from verifier.restic.commands import Access
from verifier.retention.dating import Forgetting
from verifier.retention.rules import rules_for

AT = datetime(2026, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OFFSITE = "off-site"
PLENTY_BYTES = 1 << 30

Settings = Mapping[str, object]
Find = Callable[[World, Settings], Iterable[Finding]]


def look(sought: str, world: World, settings: Settings) -> tuple[Finding, ...]:
    """Return what one of the finders finds; what keeps it from looking is a finding too."""
    try:
        return tuple(FINDERS[sought](world, settings))
    except CannotVerify as error:
        return (Finding("could-not-verify", error.subject, error.message),)


def _verify(world: World, _: Settings) -> Iterator[Finding]:
    """Name the files that are lost, as the reader traces them."""
    repository = world.open()
    result = verify(repository, read_data=True)
    hosts = {snapshot.id: snapshot.host for snapshot in repository.snapshots()}
    hurt = {damage.file for damage in result.lost}
    for damage in result.damages:
        for file in result.lost.get(damage, ()):
            yield Finding("lost", _lost(file, damage, hosts), str(damage))
        if damage.file not in hurt:
            yield Finding("damaged", damage.file, str(damage))


def _lost(file: LostFile, damage: Damage, hosts: Mapping[str, str]) -> str:
    # Of a snapshot that cannot be read nobody knows the host.
    return f"{hosts[file.snapshot]}:{file.path}" if file.snapshot in hosts else damage.file


def _copy_integrity(world: World, settings: Settings) -> Iterable[Finding]:
    copy = world.at(str(settings["copy"])).open()
    with _run(world) as run:
        return check_integrity(copy, run, Reading(None), copy=OFFSITE).findings


@contextmanager
def _run(world: World) -> Iterator[Run]:
    ledger_file = world.root / "ledger.sqlite"
    with open_ledger(ledger_file) as ledger:
        yield ledger.begin(repository="corpus", inputs="", at=AT, seed=1, within=1)
    ledger_file.unlink()


def _offsite(world: World, _: Settings) -> Iterable[Finding]:
    copy = world.at(COPY).open()
    return compare_copy(world.open(), copy, now=world.now + 2 * DAY, max_lag=DAY).findings


def _mirror(world: World, _: Settings) -> Iterable[Finding]:
    mirror = Folder(world.at(MIRROR).repository)
    return compare_mirror(world.open(), mirror, now=world.now + 2 * DAY, max_lag=DAY).findings


def _drill(world: World, settings: Settings) -> Iterable[Finding]:
    repository = world.open()
    with _run(world) as run:
        drill = Drill(repository, run, SystemClock(), Reading(None), world.scratch)
        return drill.monthly((_target(world, settings),)).findings


def _target(world: World, settings: Settings) -> Target:
    return Target(
        HOST,
        host=world.here,
        python=world.python,
        include=tuple(str(world.live / name) for name in _names(settings, "include")),
        excludes=parse_excludes(_names(settings, "exclude")),
        is_local=True,
        manifest=str(world.live / str(settings["manifest"])) if "manifest" in settings else None,
    )


def _rehearsal(world: World, _: Settings) -> Iterable[Finding]:
    repository = world.open()
    record = open_record(repository, repository.snapshots()[-1])
    asked = Asked(
        HOST,
        tuple(Application((name,), probe) for name, probe in APPLICATIONS.items()),
        {str(world.live / CANARY): CANARY_SHA256},
    )
    wanted = Wanted(
        PLENTY_BYTES,
        seed=1,
        canaries=asked.canaries.keys(),
        applications=groups(asked.applications),
        whole=lambda path: path.endswith(".git"),
    )
    sample = choose_sample(record.paths({}), wanted)
    access = Access(str(world.repository), password=PASSWORD, options=("--no-cache",))
    source = Source(world.here, world.program, access)
    with scratch(world.scratch) as folder:
        rehearsal = Rehearsal(source, world.here, folder, PLENTY_BYTES)
        return rehearse(rehearsal, record, sample, asked).findings


def _audit(world: World, settings: Settings) -> Iterable[Finding]:
    rules = rules_for("0.18.0")
    terms = Terms(
        Forgetting(Policy(daily=30), rules, UTC, ("host", "paths")),
        {HOST: (str(world.live),)},
        warn_age=24 * HOUR,
        alarm_age=28 * HOUR,
        scheduled=True,
        effects={HOST: tuple(_left_out(world, settings))},
    )
    return audit(world.open(), terms, world.now).findings


def _left_out(world: World, settings: Settings) -> Iterator[Excluded]:
    """Yield what the excludes leave out, as the probe counts it."""
    rules = _names(settings, "exclude")
    seen: list[Counted] = []
    with scratch(world.scratch) as folder:
        target = _target(world, settings)
        deque(target.observe((str(world.live),), (), folder, seen.append), maxlen=0)
    return (Excluded(rules[s.pattern], s.path, s.files, s.size_bytes) for s in seen)


def _names(settings: Settings, name: str) -> tuple[str, ...]:
    found = settings.get(name, ())
    assert isinstance(found, tuple)
    return found


FINDERS: Mapping[str, Find] = {
    "verify": _verify,
    "copy-integrity": _copy_integrity,
    "offsite": _offsite,
    "mirror": _mirror,
    "drill": _drill,
    "rehearsal": _rehearsal,
    "audit": _audit,
}
"""Where a fault is looked for -> how."""
