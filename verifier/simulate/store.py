"""The store of scenarios' results: what ran before, on the same inputs, is not run again.

A result is kept under the SHA-256 of everything that it is a function of. The store is a cache: it
may be deleted at any time, and an entry that cannot be read, or is not as it was written, is no
entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from verifier.core.errors import CannotVerify
from verifier.core.finding import Finding
from verifier.core.snapshot import Snapshot, parse_instant
from verifier.simulate.scenario_expect import Seen
from verifier.simulate.store_watched import parse_watched, render_watched

ENTRIES_MAX = 1_000
"""Results that are kept; the ones that were used least lately go first."""

_PACKAGE = Path(__file__).parents[1]
_CODE = frozenset({".py", ".sh", ".j2", ".bin", ".c"})


def key_of(inputs: Mapping[str, str]) -> str:
    """Return the key of a result: equal inputs, equal key."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def code_digest() -> str:
    """Return the SHA-256 over this package's own code, templates and scripts."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in _CODE and path.is_file():
            stored = path.read_bytes()
            name = path.relative_to(_PACKAGE).as_posix()
            digest.update(f"{name} {len(stored)}\n".encode() + stored)
    return digest.hexdigest()


def file_digest(path: str) -> str:
    """Return a program's SHA-256.

    Raises:
        CannotVerify: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        remedy = "let this user read it, or run with --rebuild"
        raise CannotVerify(path, f"cannot be read: {error.strerror}", remedy) from error


def content_digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def zone_digest(name: str) -> str:
    """Return the SHA-256 of a time zone's rules, which change from release to release.

    Args:
        name: of a zone that is known here.
    """
    for folder in zoneinfo.TZPATH:
        if (Path(folder) / name).is_file():
            return file_digest(str(Path(folder) / name))
    packed = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    return content_digest(packed.read_bytes())


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection left and what it freed."""

    kept: int
    removed: int
    freed_bytes: int


class Store:
    """Results in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where they are, whether anything is there or not."""
        return self._folder

    def get(self, key: str) -> Seen | None:
        """Return the result of a key; none where there is none that can be read."""
        path = self._path(key)
        try:
            digest, _, stored = path.read_bytes().partition(b"\n")
            if digest != _seal(stored):
                return None
            seen = parse_seen(json.loads(stored))
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError, AssertionError):
            return None
        return seen

    def put(self, key: str, seen: Seen) -> None:
        """Keep a result. That there is no room for it is no error: it will be run again."""
        stored = json.dumps(render_seen(seen), indent=1).encode()
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                new = Path(file.name)
            try:
                new.write_bytes(_seal(stored) + b"\n" + stored)
                new.replace(self._path(key))
            finally:
                new.unlink(missing_ok=True)
            self.collect()

    def collect(self, keep: int = ENTRIES_MAX) -> Collected:
        """Remove what was used least lately, all but `keep`, and say what that freed.

        Raises:
            OSError: the folder cannot be read, or not written to.
        """
        if not self._folder.is_dir():
            return Collected(0, 0, 0)
        # Somebody else may be collecting too.
        found = [(path, stat) for path in self._folder.iterdir() if (stat := _stat(path))]
        found.sort(key=lambda pair: pair[1].st_mtime, reverse=True)
        for path, _ in found[keep:]:
            path.unlink(missing_ok=True)
        freed_bytes = sum(stat.st_size for _, stat in found[keep:])
        return Collected(len(found[:keep]), len(found[keep:]), freed_bytes)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _seal(stored: bytes) -> bytes:
    return content_digest(stored).encode()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def render_seen(seen: Seen) -> dict[str, Any]:
    """Return what a scenario showed in JSON's shape; the evidence of findings is left out."""
    return {
        "findings": [[f.kind, f.subject, f.detail] for f in seen.findings],
        "survivors": [
            [s.id, s.taken_at.isoformat(), s.host, list(s.paths), list(s.tags)]
            for s in seen.survivors
        ],
        **render_watched(seen.alerts, seen.recovery),
    }


def parse_seen(stored: Mapping[str, Any]) -> Seen:
    """Return what `render_seen` was given.

    Raises:
        KeyError, TypeError, ValueError, AssertionError: it is of another shape.
    """
    findings = tuple(Finding(*map(str, finding)) for finding in stored["findings"])  # type: ignore[arg-type]
    survivors = tuple(
        Snapshot(name, parse_instant(at), host, tuple(paths), tuple(tags))
        for name, at, host, paths, tags in stored["survivors"]
    )
    return Seen(findings, survivors, *parse_watched(stored))
