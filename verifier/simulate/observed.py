"""What a simulated system visibly became, and no rule judges: read from it, for expectations.

An upgrade, a migration and a line that is slow do no harm when all goes well; that nothing is wrong
afterwards says only together with this that they happened at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot
from verifier.reader.damage import Damage
from verifier.reader.repository import open_repository

KIND = "observed"


def observed_programs(snapshots: Iterable[Snapshot]) -> Iterator[Finding]:
    """Yield which releases wrote each host's snapshots, as these say it themselves."""
    for host, program in sorted({(one.host, one.program) for one in snapshots if one.program}):
        yield Finding(KIND, f"{host} by {program}", "a snapshot names the program that wrote it")


def observed_pack(where: str, path: Path, size_bytes: int) -> Iterator[Finding]:
    """Yield what has become of a pack, which is named by the hash of its content.

    Args:
        where: whose it is.
        size_bytes: that it had.
    """
    if not path.exists():
        state = "gone"
    elif path.stat().st_size < size_bytes:
        state = "cut"
    elif hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
        state = "altered"
    else:
        return
    yield Finding(KIND, f"{where} pack {state}", f"{path.parent.name}/{path.name} is {state}")


def observed_version(folder: Path, password: str) -> Finding:
    """Return the version that a repository's own config names."""
    config = open_repository(folder, password).config
    said = config.what if isinstance(config, Damage) else str(config.version)
    return Finding(KIND, f"repository version {said}", "by its config")


def observed_delays(host: str, packets: int) -> Iterator[Finding]:
    """Yield that packets of a host had to wait for its line, where some had to."""
    if packets:
        yield Finding(KIND, f"{host} line slow", f"its line had {packets} times no room")
