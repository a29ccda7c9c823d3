"""Further restic releases, side by side: the very binaries that a lock names, or none.

A release is fetched as its Debian package, unpacked, and stored under the digest of the binary.
What is stored is digested again whenever it is asked for. Nothing is installed.
"""

from __future__ import annotations

import errno
import hashlib
import platform
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verifier.core.errors import CannotVerify, ConfigError, NoSpace, ToolMissing
from verifier.core.host import Host
from verifier.restic.debian import ETC, download, read_mirror, unpack

_DEBIAN_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Build:
    """One release for one processor: SHA-256 in hex of the package file and of the binary in it."""

    deb: str
    binary: str


@dataclass(frozen=True, slots=True)
class Release:
    """One restic release as Debian packaged it.

    Attributes:
        suite: the Debian suite that carries it.
        package: the package's own version.
        builds: Debian's name of the architecture -> the build for it.
    """

    version: str
    suite: str
    package: str
    builds: Mapping[str, Build]


def architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    machine = platform.machine()
    return _DEBIAN_NAMES.get(machine, machine)


def load_lock(path: Path) -> tuple[Release, ...]:
    """Load the releases that a lock names, oldest first.

    Raises:
        ConfigError: there is no such file, or it is no lock.
    """
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
        releases = tuple(_release(entry) for entry in written["release"])
    except OSError as error:
        raise _bad_lock(path, error.strerror or "an unreadable file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad_lock(path, f"{type(error).__name__}: {error}") from error
    return tuple(sorted(releases, key=lambda release: _order(release.version)))


def _release(entry: Mapping[str, object]) -> Release:
    builds = {
        name: Build(deb=str(value["deb"]), binary=str(value["binary"]))
        for name, value in entry.items()
        if isinstance(value, dict)
    }
    version, suite, package = (str(entry[name]) for name in ("version", "suite", "package"))
    for digest in (digest for build in builds.values() for digest in (build.deb, build.binary)):
        if len(bytes.fromhex(digest)) != hashlib.sha256().digest_size:
            raise ValueError(f"{digest!r} is no SHA-256")
    return Release(version, suite, package, builds)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _bad_lock(path: Path, found: str) -> ConfigError:
    return ConfigError(
        str(path),
        "",
        line=None,
        found=found,
        expected="a lock of restic releases",
        remedy="use the lock that comes with the package, verifier/restic/toolchain.toml",
    )


class Toolchain:
    """A store of restic releases.

    Args:
        folder: where they are stored; made when needed.
        lock: the file that says which binary a release is.
        host: this machine: runs apt-get and dpkg-deb.
        etc: where apt's sources are read.

    Raises:
        ConfigError: the lock is none.
    """

    def __init__(self, folder: Path, lock: Path, host: Host, *, etc: Path = ETC) -> None:
        self.releases = load_lock(lock)
        self._folder = folder
        self._host = host
        self._etc = etc

    def digest(self, version: str) -> str:
        """Return the SHA-256 of that release's binary for this machine.

        Raises:
            ToolMissing: the lock names no such release, or not for this architecture.
        """
        return self._build(self._release(version)).binary

    def find(self, version: str) -> Path | None:
        """Return the stored binary, or none where there is none or it was altered.

        Raises:
            ToolMissing: the lock names no such release, or not for this architecture.
        """
        digest = self.digest(version)
        path = self._path(digest)
        with _storing(self._folder):
            return path if path.is_file() and _sha256(path) == digest else None

    def provide(self, version: str) -> Path:
        """Return the stored binary; fetch and store it first where needed.

        Raises:
            ToolMissing: the release cannot be had, or is not what the lock names. Then nothing
                is stored.
            CannotVerify: the store cannot be written.
        """
        stored = self.find(version)
        if stored is not None:
            return stored
        release = self._release(version)
        with _storing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            # In the store itself, so that the last step is one rename on one file system.
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=self._folder) as scratch:
                return self._store(self._fetch(release, Path(scratch)), self._build(release))

    def _fetch(self, release: Release, scratch: Path) -> Path:
        try:
            deb = download(
                self._host,
                read_mirror(self._etc),
                suite=release.suite,
                package="restic",
                version=release.package,
                folder=scratch,
            )
            build = self._build(release)
            _expect(release, "package", build.deb, deb)
            unpack(self._host, deb, scratch / "unpacked")
        except ToolMissing as error:
            # Whoever asked for a release wants to read its version, not an apt word alone.
            raise ToolMissing(f"restic {release.version}", error.message, error.remedy) from error
        binary = scratch / "unpacked" / "usr" / "bin" / "restic"
        _expect(release, "binary", build.binary, binary)
        return binary

    def _store(self, binary: Path, build: Build) -> Path:
        path = self._path(build.binary)
        path.parent.mkdir(parents=True, exist_ok=True)
        binary.chmod(0o555)
        binary.replace(path)
        return path

    def _path(self, digest: str) -> Path:
        return self._folder / "sha256" / digest / "restic"

    def _release(self, version: str) -> Release:
        for release in self.releases:
            if release.version == version:
                return release
        known = ", ".join(release.version for release in self.releases)
        raise ToolMissing(
            f"restic {version}", "the lock names no such release", f"releases are {known}"
        )

    def _build(self, release: Release) -> Build:
        if architecture() in release.builds:
            return release.builds[architecture()]
        raise ToolMissing(
            f"restic {release.version}",
            f"the lock has no digest of it for {architecture()}",
            "give the path of a restic program instead of its version",
        )


def _expect(release: Release, what: str, digest: str, path: Path) -> None:
    found = _sha256(path) if path.is_file() else "no such file"
    if found != digest:
        raise ToolMissing(
            f"restic {release.version}",
            f"refused: the {what} that came is {found}, the lock names {digest}",
            "fetch it again; if it stays so, either the mirror or the lock is not to be trusted",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = NoSpace if error.errno in {errno.ENOSPC, errno.EDQUOT} else CannotVerify
        said = error.strerror or str(error)
        remedy = "set XDG_CACHE_HOME to a folder that can be written"
        raise kind(str(folder), f"restic releases cannot be kept here: {said}", remedy) from error
