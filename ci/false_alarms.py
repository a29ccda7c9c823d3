"""How often the audit's anomaly checks alarm on ordinary data, and how often on an attack.

Backs up machines that live an ordinary life with the real restic, day by day, and holds every pair
of neighbouring snapshots against its history as the audit does. Then it encrypts files in several
ways, and sees whether that is found. Prints the tables that docs/audit.md shows.

    .venv/bin/python ci/false_alarms.py [--days 60] [--seed 1] [--restic PROGRAM] [--raw]
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.core.finding import Finding
from verifier.drill.history import History
from verifier.reader.repository import Repository, open_repository
from verifier.retention import anomalies
from verifier.simulate.forge import cheapen

PASSWORD = "measured"  # noqa: S105 - of repositories that live for one measurement
START = datetime(2024, 1, 1, 4, tzinfo=UTC)
KINDS = ("shrunk", "mass-change", "scrambled")
PROSE = (
    "the of and to a in is it you that he was for on are with as his they be at one have "
    "restore backup server invoice meeting quarter project customer deliver schedule"
)
WORDS = PROSE.split()

Day = Callable[[Path, int, random.Random], None]


def text(draw: random.Random, length: int) -> bytes:
    """Return prose of about a length."""
    return " ".join(draw.choices(WORDS, k=length // 5)).encode()


def binary(draw: random.Random, length: int) -> bytes:
    """Return something like a program: repeated instructions with noise between."""
    block = draw.randbytes(256)
    parts = [block[: draw.randrange(64, 256)] + draw.randbytes(48) for _ in range(length // 200)]
    return b"".join(parts)


def log(draw: random.Random, day: int, lines: int) -> bytes:
    """Return a day's lines of a web server."""
    line = "10.0.{}.{} - - [day {}] GET /page/{} HTTP/1.1 200 {}\n"
    numbers = (tuple(draw.randrange(256) for _ in range(4)) for _ in range(lines))
    return "".join(line.format(a, b, day, c, d) for a, b, c, d in numbers).encode()


def packed(draw: random.Random, length: int) -> bytes:
    """Return an office document or archive: a zip of text."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("content.xml"), text(draw, length * 4))
    return held.getvalue()


def put(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def some(root: Path, pattern: str, count: int, draw: random.Random) -> list[Path]:
    """Return some of the files that a pattern names."""
    found = sorted(path for path in root.glob(pattern) if path.is_file())
    return draw.sample(found, min(count, len(found)))


def home(root: Path, day: int, draw: random.Random) -> None:
    """A person: documents are edited, photos arrive, downloads come and go, a zip on Fridays."""
    if day == 0:
        for n in range(120):
            put(root / f"docs/{n % 12}/note{n}.txt", text(draw, draw.randrange(500, 20_000)))
        for n in range(60):
            put(root / f"photos/2023/img{n}.jpg", draw.randbytes(draw.randrange(20_000, 90_000)))
        for n in range(40):
            put(root / f"office/letter{n}.docx", packed(draw, draw.randrange(500, 6_000)))
    for path in some(root, "docs/*/*", draw.randrange(8), draw):
        put(path, path.read_bytes() + text(draw, 900))
    for path in some(root, "office/*", draw.randrange(4), draw):
        put(path, packed(draw, draw.randrange(500, 6_000)))
    for n in range(draw.choice((0, 0, 0, 0, 25))):
        put(root / f"photos/2024/d{day}-{n}.jpg", draw.randbytes(draw.randrange(20_000, 60_000)))
    for path in some(root, "downloads/*", draw.randrange(3), draw):
        path.unlink()
    put(
        root / f"downloads/{day}.{draw.choice(('pdf', 'zip', 'txt'))}",
        draw.choice((text, packed))(draw, 8_000),
    )
    if day % 7 == 4:
        put(root / "docs.zip", packed(draw, 60_000))
    if day % 20 == 19:
        (root / f"docs/{day % 12}").rename(root / f"docs/old{day}")


def logs(root: Path, day: int, draw: random.Random) -> None:
    """A server's /var/log: the day's logs are turned over, the last but one is packed."""
    for service in ("nginx", "mail", "syslog", "auth", "cron", "app1", "app2", "app3", "db"):
        folder = root / service
        folder.mkdir(parents=True, exist_ok=True)
        for age in range(13, 1, -1):
            old = folder / f"log.{age}.gz"
            if old.exists():
                old.rename(folder / f"log.{age + 1}.gz")
        (folder / "log.14.gz").unlink(missing_ok=True)
        if (folder / "log.1").exists():
            put(folder / "log.2.gz", gzip.compress((folder / "log.1").read_bytes(), mtime=0))
            (folder / "log.1").unlink()
        if (folder / "log").exists():
            (folder / "log").rename(folder / "log.1")
        put(folder / "log", log(draw, day, draw.randrange(50, 600)))


def dated_logs(root: Path, day: int, draw: random.Random) -> None:
    """Logs with the date in their names, all packed in place once a week, kept for five weeks."""
    for service in ("nginx", "mail", "app"):
        put(root / service / f"{day:04}.log", log(draw, day, draw.randrange(100, 600)))
    if day % 7 == 6:
        for path in sorted(root.glob("*/*.log")):
            put(path.with_name(path.name + ".gz"), gzip.compress(path.read_bytes(), mtime=0))
            path.unlink()
        for path in sorted(root.glob("*/*.gz")):
            if int(path.name[:4]) < day - 35:
                path.unlink()


def database(root: Path, day: int, draw: random.Random) -> None:
    """A database's host: its file, a dump a night, the dumps of ten days, one of them packed."""
    root.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(root / "live.db") as db:
        db.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, what TEXT)")
        rows = ((text(draw, 200).decode(),) for _ in range(draw.randrange(50, 400)))
        db.executemany("INSERT INTO orders (what) VALUES (?)", rows)
        dump = "\n".join(db.iterdump()).encode()
    db.close()
    put(root / "dump.sql", dump)
    put(root / f"dumps/{day:04}.sql.gz", gzip.compress(dump, mtime=0))
    for path in sorted(root.glob("dumps/*"))[:-10]:
        path.unlink()


def system(root: Path, day: int, draw: random.Random) -> None:
    """/usr and /etc: packages are upgraded, every ten days many of them."""
    if day == 0:
        for n in range(250):
            put(
                root / f"usr/lib/pkg{n % 50}/lib{n}.so", binary(draw, draw.randrange(4_000, 40_000))
            )
        for n in range(80):
            put(root / f"etc/conf{n}", text(draw, draw.randrange(200, 4_000)))
        for n in range(60):
            put(root / f"usr/share/man/{n}.gz", gzip.compress(text(draw, 9_000), mtime=0))
    packages = 12 if day % 10 == 9 else draw.choice((0, 0, 1, 2))
    for package in draw.sample(range(50), packages):
        for path in some(root, f"usr/lib/pkg{package}/*", 99, draw):
            put(path, binary(draw, draw.randrange(4_000, 40_000)))
    for path in some(root, "etc/*", draw.randrange(3), draw):
        put(path, text(draw, draw.randrange(200, 4_000)))


def mail(root: Path, day: int, draw: random.Random) -> None:
    """Mail in folders of one file a message: read, filed, deleted; attachments in base64."""
    import base64

    for n in range(draw.randrange(5, 40) if day else 300):
        body = text(draw, draw.randrange(400, 6_000))
        if draw.random() < 0.2:
            body += base64.encodebytes(draw.randbytes(draw.randrange(5_000, 60_000)))
        put(root / f"new/{day}.{n}.host", body)
    for path in some(root, "new/*", 30, draw):
        (root / "cur").mkdir(exist_ok=True)
        path.rename(root / "cur" / f"{path.name}:2,S")
    for path in some(root, "cur/*", draw.randrange(20), draw):
        path.unlink()


def developer(root: Path, day: int, draw: random.Random) -> None:
    """A developer: sources, objects that are built anew, a branch now and then, packed objects."""
    if day == 0:
        for n in range(200):
            put(root / f"src/m{n % 20}/f{n}.py", text(draw, draw.randrange(500, 9_000)))
    branch = day % 15 == 14
    for path in some(root, "src/*/*", 60 if branch else draw.randrange(2, 15), draw):
        put(path, text(draw, draw.randrange(500, 9_000)))
        put(root / "build" / f"{path.stem}.o", binary(draw, 6_000))
        put(
            root / f"objects/{draw.randrange(256):02x}/{draw.randbytes(8).hex()}",
            gzip.compress(path.read_bytes(), mtime=0),
        )
    if day % 25 == 24:
        shutil.rmtree(root / "build", ignore_errors=True)


def cache(root: Path, day: int, draw: random.Random) -> None:
    """A browser's cache: names are used again for whatever comes, text or picture."""
    for n in range(300) if day == 0 else draw.sample(range(300), draw.randrange(20, 90)):
        make = draw.choice((text, lambda d, length: d.randbytes(length), packed))
        put(root / f"entries/f_{n:04x}", make(draw, draw.randrange(1_500, 30_000)))


MACHINES: dict[str, Day] = {
    day.__name__: day for day in (home, logs, dated_logs, database, system, mail, developer, cache)
}


def scramble(content: bytes, draw: random.Random) -> bytes:
    """Return what encryption makes of some content."""
    return draw.randbytes(len(content) + 32)


def in_place(path: Path, draw: random.Random) -> None:
    """Encrypt a file under its own name."""
    path.write_bytes(scramble(path.read_bytes(), draw))


def locked(path: Path, draw: random.Random) -> None:
    """Encrypt a file and add to its name."""
    path.with_name(path.name + ".locked").write_bytes(scramble(path.read_bytes(), draw))
    path.unlink()


def renamed(path: Path, draw: random.Random) -> None:
    """Encrypt a file under a random name."""
    path.with_name(draw.randbytes(8).hex()).write_bytes(scramble(path.read_bytes(), draw))
    path.unlink()


def wrapped(path: Path, draw: random.Random) -> None:
    """Encrypt a file and wrap it so that it looks packed."""
    path.with_name(path.name + ".gz").write_bytes(
        gzip.compress(scramble(path.read_bytes(), draw), mtime=0)
    )
    path.unlink()


ATTACKS = (in_place, locked, renamed, wrapped)


class Machine:
    """One machine, its life, and its backups."""

    def __init__(self, folder: Path, name: str, options: argparse.Namespace) -> None:
        self.root = folder / name
        self.repository = folder / f"{name}.repository"
        self.name = name
        self.draw = random.Random(f"{options.seed} {name}")  # noqa: S311 - generated data
        self._restic = options.restic
        self._raw = ("--compression", "off") if options.raw else ()
        self.root.mkdir()
        self._run("init")
        cheapen(self.repository, PASSWORD)

    def _run(self, *arguments: str) -> None:
        command = [self._restic, "-q", "--no-cache", "-r", str(self.repository), *arguments]
        env = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
        subprocess.run(command, env=env, check=True, capture_output=True)

    def backup(self, day: int) -> None:
        """Back up as of a day."""
        time = f"{START + timedelta(days=day):%Y-%m-%d %H:%M:%S}"
        self._run(*self._raw, "backup", "--host", self.name, "--time", time, str(self.root))

    def judge(self) -> tuple[int, list[Finding]]:
        """Return how many pairs there are, and what is found in any of them."""
        opened: Repository = open_repository(self.repository, PASSWORD)
        changes = History(opened, pairs=10_000).changes(opened.snapshots())
        return len(changes), list(anomalies.check_changes(changes, self.name, since=START))


def live(folder: Path, options: argparse.Namespace) -> Iterator[Machine]:
    """Let every machine live its days."""
    for name, live_day in MACHINES.items():
        machine = Machine(folder, name, options)
        for day in range(options.days):
            live_day(machine.root, day, machine.draw)
            machine.backup(day)
        yield machine


def attack(
    machine: Machine, how: Callable[[Path, random.Random], None], share: float, day: int
) -> set[str]:
    """Return what is found after an attack on a share of a machine's files; nothing stays of it."""
    kept = (machine.root, machine.repository)
    for path in kept:
        shutil.copytree(path, path.with_name(path.name + ".kept"))
    files = sorted(path for path in machine.root.rglob("*") if path.is_file())
    for path in machine.draw.sample(files, round(len(files) * share)):
        how(path, machine.draw)
    machine.backup(day)
    _, found = machine.judge()
    for path in kept:
        shutil.rmtree(path)
        path.with_name(path.name + ".kept").rename(path)
    newest = f"{START + timedelta(days=day):%Y-%m-%d}"
    return {finding.kind for finding in found if f" of {newest}" in finding.detail}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--restic", default="restic")
    parser.add_argument("--raw", action="store_true", help="back up with --compression off")
    options = parser.parse_args()
    alarms: Counter[str] = Counter()
    pairs, hits = 0, {how.__name__: Counter[str]() for how in ATTACKS}
    print(f"{'machine':<12}{'pairs':>6}" + "".join(f"{kind:>13}" for kind in KINDS))
    with tempfile.TemporaryDirectory() as folder:
        for machine in live(Path(folder), options):
            count, found = machine.judge()
            seen = Counter(finding.kind for finding in found)
            print(f"{machine.name:<12}{count:>6}" + "".join(f"{seen[k]:>13}" for k in KINDS))
            pairs, alarms = pairs + count, alarms + seen
            for how in ATTACKS:
                for share in (0.1, 0.5, 1.0):
                    kinds = attack(machine, how, share, options.days)
                    hits[how.__name__][f"{share:.0%} scrambled"] += "scrambled" in kinds
                    hits[how.__name__][f"{share:.0%} any"] += bool(kinds)
    print(f"{'all':<12}{pairs:>6}" + "".join(f"{alarms[k]:>13}" for k in KINDS))
    print(f"\nattacks found, of {len(MACHINES)} machines")
    columns = [
        f"{share} {what}" for share in ("10%", "50%", "100%") for what in ("scrambled", "any")
    ]
    print(f"{'':<12}" + "".join(f"{column:>15}" for column in columns))
    for name, counted in hits.items():
        print(f"{name:<12}" + "".join(f"{counted[column]:>15}" for column in columns))


if __name__ == "__main__":
    main()
