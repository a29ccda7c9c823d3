"""The repository's side of a drill: packs read whole, and which files are lost with the bad ones.

Every run checks the repository's own files, that every pack is there and as long as the index says,
every tree of every snapshot, and that an index lists each blob they need. Packs are read from end
to end as the rotation chooses them; one that looks wrong from outside is always among them.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.drill.ledger import Run
from verifier.drill.loss import find_losses
from verifier.drill.rotation import Chosen, Rotation, Shortfall, Tally, choose_packs
from verifier.reader.contents import PackCheck, check_packs
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository
from verifier.reader.storage import file_id
from verifier.reader.verify import Losses, LostFile, losses

LISTED = 20
"""Lost files that a finding lists; their number is always whole."""

_ASKED = 1_000
"""Blobs of one damaged file that a copy is asked for."""

_KEPT_TOGETHER = 64
"""Packs written to the ledger at once: what a kill may cost again."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """What a look at a repository showed.

    Attributes:
        lost: blob ID -> what took every copy of it.
        checked, total: packs that were read in this round, and packs there are.
        finished: everything that was chosen was read; else the time was up.
    """

    findings: tuple[Finding, ...]
    lost: Mapping[str, tuple[Damage, ...]]
    checked: int
    total: int
    read_bytes: int
    total_bytes: int
    finished: bool

    def section(self) -> dict[str, object]:
        """Return its figures, JSON-ready."""
        return {
            "packs": self.total,
            "packs_read": self.checked,
            "bytes": self.total_bytes,
            "read_bytes": self.read_bytes,
            "finished": self.finished,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """How packs are read.

    Attributes:
        executor: takes them to other processes or machines.
        over: says that the time is up: no further pack is begun.
        advance: told of every pack that is done.
    """

    executor: Executor | None
    over: Callable[[], bool] = lambda: False
    advance: Callable[[int], object] = lambda _: None


def check_integrity(
    repository: Repository,
    run: Run,
    reading: Reading,
    *,
    budget_bytes: int | None = None,
    copy: str = "",
) -> Integrity:
    """Check a repository, or a copy of it.

    Args:
        budget_bytes: how much of the packs may be read.
        copy: the name of a copy, that its findings begin with.
    """
    index = repository.index
    sizes = dict(_sizes(repository))
    # What was found bad before is read until it is whole or gone: no run may forget it.
    odd = set(_odd(repository, sizes)) | set(run.doubted_packs(copy))
    rotation = Rotation(run.pack_round(copy), run.within, run.seed, budget_bytes)
    history = run.packs(copy)
    chosen = choose_packs(sizes.items(), history, rotation, always=odd)
    proven = run.proven_packs(copy)
    # Trees are read on the side: what no damaged pack takes is lost to nothing else but them.
    beside = _Beside(lambda: losses(repository, {}, repository.snapshots()))
    checks = list(
        _read(repository, run, reading, [p for p in chosen.packs if p not in proven], copy)
    )
    read = {check.pack for check in checks}
    done = [pack for pack in chosen.packs if pack in read or pack in proven]
    finished = len(done) == len(chosen.packs)
    found = find_losses(repository, checks, index, beside.result)
    if repository.index is not index:
        sizes = dict(_sizes(repository))
    sound = (read - found.wounded | set(proven)) & sizes.keys()
    run.doubt_packs(found.wounded, copy)
    if finished:
        run.hold_packs(_held(sizes, history, sound, rotation.round), copy)
    about = f"{copy} " if copy else ""
    return Integrity(
        findings=(
            *(_damage(group, found.seen.lost, about) for group in _by_file(found.damages)),
            *_missed(chosen, len(done), about),
        ),
        lost=found.lost,
        checked=len(sound | (read & sizes.keys())),
        total=len(sizes),
        read_bytes=sum(check.read_bytes for check in checks),
        total_bytes=sum(sizes.values()),
        finished=finished,
    )


class _Beside:
    """One call that goes on in a thread, which nobody waits for where the run is broken off."""

    def __init__(self, call: Callable[[], Losses]) -> None:
        self._future: Future[Losses] = Future()
        self._call = call
        threading.Thread(target=self._run, daemon=True).start()

    def result(self) -> Losses:
        """Return what it returned, or raise what it raised."""
        return self._future.result()

    def _run(self) -> None:
        try:
            self._future.set_result(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asks
            self._future.set_exception(error)


def recoverable(primary: Integrity, copy: Repository) -> Iterator[Finding]:
    """Yield what the repository has lost and its copy, read now, holds whole."""
    for damage in dict.fromkeys(d for taken in primary.lost.values() for d in taken):
        lost = [blob_id for blob_id, taken in primary.lost.items() if damage in taken]
        asked = lost[:_ASKED]
        held = [blob_id for blob_id in asked if not isinstance(copy.blob(blob_id), Damage)]
        if held:
            detail = f"the off-site copy holds {len(held)} of {len(asked)} blobs that were lost"
            yield Finding("recoverable", damage.file, detail, {"blobs": held[:LISTED]})


def _sizes(repository: Repository) -> Iterator[tuple[str, int]]:
    """Yield every pack that the index lists with its size; one that is not there has none."""
    there = {file_id(name): size for name, size in repository.storage.sizes("data")}
    return ((pack, there.get(pack, 0)) for pack in repository.index.packs)


def _odd(repository: Repository, sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield the packs whose size is not what the index makes it."""
    index = repository.index
    return (pack for pack, size_bytes in sizes.items() if size_bytes != index.pack_bytes(pack))


def _read(
    repository: Repository, run: Run, reading: Reading, packs: list[str], copy: str
) -> Iterator[PackCheck]:
    """Read packs until all are done or the time is up; write down those that are whole."""
    waiting: list[tuple[str, int]] = []
    checks = check_packs(repository, reading.executor, packs=packs, read_data=True)
    try:
        for check in checks if packs and not reading.over() else ():
            if not check.wounds:
                waiting.append((check.pack, check.read_bytes))
            if len(waiting) >= _KEPT_TOGETHER:
                run.prove_packs(waiting, copy)
                waiting.clear()
            reading.advance(1)
            yield check
            if reading.over():
                break
    finally:
        # Also where the storage or a cluster gives up: what was read is not read again.
        run.prove_packs(waiting, copy)


def _held(
    sizes: Mapping[str, int], history: Mapping[str, int], sound: Iterable[str], now: int
) -> Mapping[int, tuple[int, int]]:
    tally, proven = Tally(), set(sound)
    for pack, size_bytes in sizes.items():
        tally.add(now if pack in proven else history.get(pack, 0), size_bytes)
    return tally.held()


def _by_file(damages: Iterable[Damage]) -> Iterator[list[Damage]]:
    """Yield the damages of one file together."""
    files: defaultdict[tuple[str, str], list[Damage]] = defaultdict(list)
    for damage in damages:
        # Blobs that no index lists lie in no file: each stands for itself.
        files[damage.file, damage.blob if damage.file == "index" else ""].append(damage)
    yield from files.values()


def _damage(
    group: list[Damage], lost: Mapping[Damage, tuple[LostFile, ...]], about: str
) -> Finding:
    first = group[0]
    files = list(dict.fromkeys(file for damage in group for file in lost.get(damage, ())))
    if first.file.startswith("snapshots/"):
        files = [LostFile(file_id(first.file), "/")]
    evidence: dict[str, object] = {
        "file": first.file,
        "offsets": [damage.offset for damage in group[:LISTED]],
        "blobs": [damage.blob for damage in group[:LISTED] if damage.blob],
    }
    more = f" (and {len(group) - 1} more places in it)" if len(group) > 1 else ""
    what = f"{first.what} at offset {first.offset}{more}"
    if not files:
        return Finding("damaged", f"{about}{first.file}", what, evidence)
    snapshots: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        snapshots[file.snapshot].append(shown(file.path))
    evidence["lost_files"] = len(files)
    evidence["lost"] = [
        {"snapshot": snapshot, "paths": paths[:LISTED], "count": len(paths)}
        for snapshot, paths in list(snapshots.items())[:LISTED]
    ]
    snapshot, paths = next(iter(snapshots.items()))
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    detail = f"{what}; lost with it: {paths[0]} of snapshot {snapshot[:8]}{others}"
    return Finding("lost", f"{about}{first.file}", detail, evidence)


def missed(short: Shortfall, what: str, subject: str) -> Finding:
    """Return the finding for a budget that does not keep the rotation's promise."""
    never = "a single one is larger, and is never read"
    when = never if short.rounds is None else f"everything is read once in {short.rounds} runs"
    detail = (
        f"{short.needed_bytes} bytes of {what} are due in this run, and {short.allowed_bytes} "
        f"may be read: {when}"
    )
    return Finding("rotation-missed", subject, detail)


def _missed(chosen: Chosen, read: int, about: str) -> Iterator[Finding]:
    if chosen.shortfall is not None:
        yield missed(chosen.shortfall, "packs", f"{about}repository")
    if read < len(chosen.packs):
        detail = f"the time was up: {read} of {len(chosen.packs)} packs that were due were read"
        yield Finding("rotation-missed", f"{about}repository", detail)
