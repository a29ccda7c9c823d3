"""A copy that `restic copy` made, against its repository: snapshot by snapshot, blob by blob.

The two have IDs, keys, passwords, packs and perhaps versions of their own; trees and blobs are the
same. Nothing of the copy but its index, snapshots and listing is read here: that its packs hold
what their names promise is for `check_packs` to prove.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.drill.matching import Matching, Remark, by_host, judge, listed, match, named
from verifier.drill.reach import FILES_COUNTED, Reach, Shortfall, unusable_packs
from verifier.reader.damage import Damage
from verifier.reader.repository import Repository

NAMED = 5
"""How many blobs and packs the evidence names; all are counted."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison of a repository with its copy has to say.

    Attributes:
        section: JSON-ready, the same keys whatever made the copy; see `compare_snapshots`.
        checked: snapshots of the repository that the copy has, compared down to their blobs.
        total: snapshots of the repository.
    """

    findings: tuple[Finding, ...]
    section: Mapping[str, object]
    checked: int
    total: int


def compare_copy(
    primary: Repository, copy: Repository, *, now: datetime, max_lag: timedelta
) -> Compared:
    """Compare a repository with its copy; both are to be at rest.

    Args:
        max_lag: how long a snapshot may take to reach the copy.

    Raises:
        RepositoryUnreadable: one of the two cannot be read at all.
    """
    compared = compare_snapshots(primary, copy, now=now, max_lag=max_lag)
    findings = (*damaged(copy.damages()), *compared.findings)
    section = {"method": "restic-copy", **compared.section}
    return Compared(findings, section, compared.checked, compared.total)


def compare_snapshots(
    primary: Repository, copy: Repository, *, now: datetime, max_lag: timedelta
) -> Compared:
    """Compare which snapshots the two have, and whether the copy can produce those.

    The section counts snapshots by what is the matter with them, and says of every host which is
    its newest and which is the newest that the copy can produce whole.
    """
    snapshots = primary.snapshots()
    matching = match(snapshots, copy.snapshots(), now=now, max_lag=max_lag)
    reach = Reach(primary, copy, unusable_packs(copy))
    found = (reach.shortfall(snapshot) for snapshot in matching.both)
    short = [shortfall for shortfall in found if shortfall is not None]
    without = _without(reach) if short else {}
    lost = listed("copy-lacks", (_lost(shortfall, without, now) for shortfall in short))
    return Compared(
        (*judge(matching, now=now), *lost),
        {**_counts(matching, short, reach), "hosts": list(_hosts(snapshots, matching, short))},
        checked=len(matching.both),
        total=len(snapshots),
    )


def damaged(damages: Iterable[Damage]) -> Iterator[Finding]:
    """Yield a finding for every file of a copy that is not what it should be."""
    for damage in damages:
        where = {"file": damage.file, "offset": damage.offset}
        yield Finding("copy-differs", f"off-site {damage.file}", damage.what, where)


def _without(reach: Reach) -> dict[str, object]:
    return {
        "blobs": list(islice(reach.missed, NAMED)),
        "blob_count": len(reach.missed),
        "packs": sorted(reach.unusable)[:NAMED],
        "pack_count": len(reach.unusable),
    }


def _lost(short: Shortfall, without: Mapping[str, object], now: datetime) -> Remark:
    first, more = shown(short.paths[0]), ""
    if short.count > 1:
        least = "at least " if short.count == FILES_COUNTED else ""
        more = f" and {least}{short.count - 1} more"
    detail = f"{named(short.snapshot, now)}, is not whole in the copy: it lacks {first}{more}"
    about = {
        "lost": [shown(path) for path in short.paths],
        "lost_count": short.count,
    }
    return Remark(short.snapshot, detail, {**about, **without})


def _counts(matching: Matching, short: Collection[Shortfall], reach: Reach) -> dict[str, object]:
    return {
        "in_copy": len(matching.both),
        "whole": len(matching.both) - len(short),
        "pending": len(matching.pending),
        "late": len(matching.late),
        "lacking": len(matching.lacking),
        "differing": len(matching.differing),
        "extra": len(matching.extra),
        "trees": len(reach.answers),
        "missed_blobs": len(reach.missed),
    }


def _hosts(
    snapshots: Iterable[Snapshot], matching: Matching, short: Iterable[Shortfall]
) -> Iterator[dict[str, object]]:
    torn = {shortfall.snapshot.id for shortfall in short}
    newest_whole = {s.host: s for s in reversed(matching.both) if s.id not in torn}
    for host, own in by_host(snapshots):
        whole = newest_whole.get(host)
        yield {
            "host": host,
            "newest": own[-1].id,
            "newest_taken": own[-1].taken_at.isoformat(),
            "whole": whole and whole.id,
            "whole_taken": whole and whole.taken_at.isoformat(),
        }
