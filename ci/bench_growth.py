"""How the reader's time and memory grow with the number of files: 10 thousand to a million.

Run as a program with a folder and a count, it measures one repository in a process of its own and
prints the figures as JSON; the benchmark calls it so, and compares them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import Executor
from pathlib import Path

from synthetic import write_files

from verifier.core.tree import Node
from verifier.fleet.local import LocalHost
from verifier.reader.contents import check_packs
from verifier.reader.executor import open_executor
from verifier.reader.repository import Repository, open_repository
from verifier.reader.verify import verify
from verifier.simulate.forge import make_repository

PASSWORD = "bench"  # noqa: S105 of a repository made for this
WORKERS = 2


def peak_mb() -> int:
    """Return the most memory that this process ever had, in MB; mapped files count."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def look(executor: Executor) -> int:
    """Return the peak of the worker that had most."""
    return max(executor.submit(peak_mb).result() for _ in range(20 * WORKERS))


def measure(root: Path, count: int) -> dict[str, float]:
    """Return seconds and megabytes of everything that a drill does with `count` files."""
    make_repository(root, PASSWORD, LocalHost(), "restic")
    write_files(root, open_repository(root, PASSWORD).keys, count)
    found: dict[str, float] = {}

    def lap(name: str, begun: float) -> None:
        found[name] = round(time.perf_counter() - begun, 2)

    begun = time.perf_counter()
    repository = open_repository(root, PASSWORD)
    found["blobs"] = len(repository.index)
    lap("index_s", begun)
    begun = time.perf_counter()
    assert count == lengths(repository)
    lap("walk_s", begun)
    begun = time.perf_counter()
    assert not verify(repository, read_data=False).damages
    lap("verify_s", begun)
    with open_executor("local", WORKERS, os.environ) as executor:
        executor.submit(os.getpid).result()
        begun = time.perf_counter()
        assert not any(c.wounds for c in check_packs(repository, executor, read_data=True))
        lap("packs_s", begun)
        found["worker_mb"] = look(executor)
    found["coordinator_mb"] = peak_mb()
    return found


def lengths(repository: Repository) -> int:
    """Ask for the recorded lengths of every file, as the live side is told them."""
    return sum(
        repository.plain_lengths(node.content) is not None
        for _, node in repository.walk(repository.snapshots()[-1])
        if isinstance(node, Node) and node.type == "file"
    )


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
