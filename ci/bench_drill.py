"""The drill against what it replaces, on 1.5 GB in 15,000 files of which half compress.

All peers run in turn on the same repository and files, several times; the least wall time of each
counts. Warm: files and repository are in the page cache, and a restore need not reach the disk: it
is work that is measured. Cold: nothing is cached, and what was restored is on the disk (`sync`) and
read back from there, which proves that it can be; the drill writes nothing. That takes root.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FILES = 15_000
MEAN_BYTES = 100_000
ROUNDS = 3
COLD_ROUNDS = 2
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
TEXT_BYTES = 8 << 20
BLOCK_BYTES = 4_096
SEED = 7


def make_files(root: Path) -> None:
    """Make the files: half noise, half words in an order that never comes twice."""
    rng = random.Random(SEED)  # noqa: S311 test data, no secret
    words = [rng.randbytes(rng.randint(2, 6)).hex().encode() + b" " for _ in range(4_000)]
    text = b"".join(rng.choices(words, k=TEXT_BYTES // 9))
    blocks = [text[at : at + BLOCK_BYTES] for at in range(0, len(text), BLOCK_BYTES)]
    for number in range(FILES):
        size_bytes = rng.randint(MEAN_BYTES // 10, MEAN_BYTES * 19 // 10)
        if number % 2:
            content = rng.randbytes(size_bytes)
        else:
            content = b"".join(rng.choices(blocks, k=size_bytes // BLOCK_BYTES + 1))[:size_bytes]
        folder = root / f"{number % 150:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}").write_bytes(content)


class Peers:
    """The commands that are compared, on one repository."""

    def __init__(self, folder: Path, verify: str) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.repository = folder / "repository"
        self.verify = verify
        self.env = {
            **os.environ,
            "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(folder / "cache"),
            "RESTIC_REPOSITORY": str(self.repository),
        }
        make_files(self.source)
        self.run("restic", "-q", "init", "--repository-version", "2")
        self.run("restic", "-q", "backup", "--host", "h1", str(self.source))

    def run(self, *argv: str) -> float:
        """Run a command and return its wall time in seconds."""
        begun = time.perf_counter()
        subprocess.run(argv, check=True, env=self.env, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun

    def restore(self, *, cold: bool = False) -> float:
        """Restore everything and hold it against the source; cold from and to the disk itself."""
        target = self.folder / "restored"
        spent = self.run("restic", "-q", "restore", "latest", "--target", str(target))
        if cold:
            spent += self.run("sync", "--file-system", str(target))
            empty_caches()
        restored = target / self.source.relative_to("/")
        spent += self.run("diff", "-r", str(restored), str(self.source))
        shutil.rmtree(target)
        return spent

    def check(self) -> float:
        """Read the whole repository, and no source."""
        return self.run("restic", "-q", "check", "--read-data")

    def drill(self) -> tuple[float, int]:
        """Read both sides; return the wall time, and the peak of the largest process in MB."""
        begun = time.perf_counter()
        argv = (self.verify, "drill", "--host", "h1")
        process = subprocess.Popen(argv, env=self.env, stdout=subprocess.DEVNULL)
        peaks: dict[int, int] = {}
        while process.poll() is None:
            peaks.update(_peaks(process.pid))
            time.sleep(0.02)
        spent = time.perf_counter() - begun
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, argv)
        return spent, max(peaks.values()) // 1024


def empty_caches() -> None:
    """Let the system forget what it knows of the disk's content."""
    os.sync()
    DROP_CACHES.write_text("3\n")


def _peaks(pid: int) -> Iterator[tuple[int, int]]:
    """Yield every process below this one with the most memory it ever had, in KiB."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        yield pid, int(status.partition("VmHWM:")[2].split()[0])
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from _peaks(int(child))


def cold(peers: Peers) -> tuple[float, float]:
    """Return the seconds that a restore that is compared, and a drill, take from a cold disk."""
    empty_caches()
    restore_s = peers.restore(cold=True)
    empty_caches()
    return restore_s, peers.drill()[0]


def measure(verify: str) -> dict[str, float]:
    """Return the least seconds of every peer, and the largest peak in MB.

    Cold ones only where we may empty the caches.
    """
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(Path(folder), verify)
        rounds = [(peers.restore(), peers.check(), *peers.drill()) for _ in range(ROUNDS)]
        colds = [cold(peers) for _ in range(COLD_ROUNDS)] if os.access(DROP_CACHES, os.W_OK) else []
    restore_s, check_s, drill_s, peaks_mb = zip(*rounds, strict=True)
    found = {
        "restore_s": min(restore_s),
        "check_s": min(check_s),
        "drill_s": min(drill_s),
        "peak_mb": max(peaks_mb),
    }
    if colds:
        restore_s, drill_s = zip(*colds, strict=True)
        found |= {"cold_restore_s": min(restore_s), "cold_drill_s": min(drill_s)}
    return found
