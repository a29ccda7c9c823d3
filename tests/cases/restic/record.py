"""Record what a release of restic really says, as case files for its parsers.

    python record.py RELEASE PATH_OF_RESTIC

writes RELEASE/*.json beside this file: the arguments, the exit status, both outputs. Needs root
for the full disk (a small tmpfs). Paths and the machine's name are scrubbed.
"""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PASSWORD = "secret"

CALLS: tuple[tuple[str, str], ...] = (
    ("version", "version"),
    ("snapshots-norepo", "snapshots --json"),
    ("init", "init --json"),
    ("snapshots-empty", "snapshots --json"),
    ("forget-empty", "forget --json --dry-run --no-lock --keep-last 1"),
    ("backup", "backup --json --host web1 --tag t1 --time 2024-01-01_04:00:00 src/a"),
    ("backup-again", "backup --json --host web1 --tag t1 --time 2024-01-02_04:00:00 src/a"),
    ("backup-db", "backup --json --host db1 --time 2024-01-02_04:01:00 src/b"),
    ("backup-quiet", "backup -q --json --host db1 --time 2024-01-03_04:01:00 src/b"),
    ("backup-missing", "backup --json --host db1 --time 2024-01-03_04:02:00 src/b src/gone"),
    ("backup-all-missing", "backup --json --host db1 src/gone"),
    ("snapshots", "snapshots --json"),
    ("snapshots-none-match", "snapshots --json --host nobody"),
    ("forget", "forget --json --dry-run --no-lock --keep-last 1"),
    ("forget-none-match", "forget --json --dry-run --no-lock --keep-last 1 --host nobody"),
    (
        "forget-one-group",
        "forget --json --dry-run --no-lock --group-by= --keep-daily 1 --keep-tag t1",
    ),
    ("forget-no-policy", "forget --json --dry-run --no-lock"),
    ("forget-refused", "forget --json --dry-run --no-lock --keep-tag nosuch"),
    ("ls", "ls --json latest"),
    ("stats", "stats --json"),
    ("stats-raw", "stats --json --mode raw-data"),
    ("restore", "restore --json latest --host web1 --target out/a"),
    ("restore-verify", "restore --json latest --host web1 --verify --target out/b"),
    ("restore-no-snapshot", "restore --json deadbeef --target out/c"),
    ("check", "check --json"),
    ("cat-config", "cat config"),
    ("wrong-flag", "forget --json --keep-last x"),
    ("forget-prune", "forget --json --keep-last 1 --prune"),
    ("prune", "prune --json"),
)


def main(release: str, restic: str) -> None:
    """Record every call of one release."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _make_source(work)
        recorder = Recorder(release, restic, work)
        for name, line in CALLS:
            recorder.record(name, line)
        recorder.record("wrong-password", "snapshots --json", password="wrong")
        with recorder.locked():
            recorder.record("locked", "forget --json --keep-last 1")
        with _full_disk(work / "full"):
            recorder.record("disk-full", "restore --json latest --host web1 --target full/a")
            recorder.record("disk-full-init", "init --json", repository="full/repo")
        _damage(work / "repo")
        recorder.record("check-damaged", "check --json --read-data")
        recorder.record("restore-damaged", "restore --json latest --host db1 --target out/d")


class Recorder:
    """Runs one restic in one folder and writes down what it says."""

    def __init__(self, release: str, restic: str, work: Path) -> None:
        self._cases = HERE / release
        self._cases.mkdir(exist_ok=True)
        self._restic = restic
        self._work = work

    def record(
        self, name: str, line: str, *, password: str = PASSWORD, repository: str = "repo"
    ) -> None:
        """Run one call and write its case file."""
        arguments = [word.replace("_", " ") for word in line.split()]
        done = self._start(arguments, password, repository)
        stdout, stderr = done.communicate()
        case = {
            "arguments": arguments,
            "status": done.returncode,
            "stdout": self._scrub(stdout.decode()),
            "stderr": self._scrub(stderr.decode()),
        }
        text = json.dumps(case, indent=1, ensure_ascii=False)
        (self._cases / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a lock: a backup that waits for its standard input."""
        waiting = self._start(["backup", "--stdin"], PASSWORD, "repo")
        while not any((self._work / "repo" / "locks").iterdir()):
            pass
        try:
            yield
        finally:
            waiting.communicate(b"")

    def _start(
        self, arguments: list[str], password: str, repository: str
    ) -> subprocess.Popen[bytes]:
        command = [self._restic, *arguments]
        if arguments != ["version"]:
            command[1:1] = ["-r", repository, "--no-cache"]
        return subprocess.Popen(
            command,
            cwd=self._work,
            env={
                "RESTIC_PASSWORD": password,
                "TZ": "America/Los_Angeles",
                "TMPDIR": str(self._work),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _scrub(self, text: str) -> str:
        return text.replace(str(self._work), "/data").replace(f" on {platform.node()} ", " on jak ")


def _make_source(work: Path) -> None:
    for name in ("src/a", "src/b", "out", "full"):
        (work / name).mkdir(parents=True)
    (work / "src/a/one.txt").write_text("one\n")
    (work / "src/a/two words.txt").write_text("two\n")
    (work / "src/a/link").symlink_to("one.txt")
    (work / "src/b/zero").write_bytes(bytes(3000))


def _damage(repository: Path) -> None:
    for pack in (repository / "data").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            stored = bytearray(pack.read_bytes())
            stored[40] ^= 0xFF
            pack.write_bytes(stored)


@contextlib.contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "none", folder], check=True
    )
    (folder / "filler").write_bytes(bytes(4096))
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
