"""The toolchain against a real apt and a real, tiny Debian archive made here."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from verifier.cli.toolchain import LOCK
from verifier.core.errors import CannotVerify, ConfigError, ToolMissing
from verifier.core.host import Command, Completed
from verifier.fleet.local import LocalHost
from verifier.restic.debian import read_mirror
from verifier.restic.toolchain import Toolchain, architecture, load_lock

SCRIPT = b"#!/bin/sh\necho restic 9.8.7\n"


@dataclass(frozen=True)
class Archive:
    """A Debian archive with restic 9.8.7 in it, and a machine's etc that names it."""

    etc: Path
    deb: str
    binary: str

    def lock(self, folder: Path, **changed: str) -> Path:
        """Write a lock that names this archive's package, but for what was changed."""
        values = {"package": "9.8.7-1", "suite": "trixie", "arch": architecture()}
        values |= {"deb": self.deb, "binary": self.binary, **changed}
        path = folder / "lock.toml"
        path.write_text(
            '[[release]]\nversion = "9.8.7"\nsuite = "{suite}"\npackage = "{package}"\n'
            '{arch}.deb = "{deb}"\n{arch}.binary = "{binary}"\n'.format(**values)
        )
        return path


class CountingHost(LocalHost):
    """A local host that remembers which programs it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def run(self, command: Command, *, timeout_s: float | None = None) -> Completed:
        self.ran.append(command.argv[0])
        return super().run(command, timeout_s=timeout_s)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    top = tmp_path_factory.mktemp("archive")
    tree, root = top / "tree", top / "debian"
    binary = tree / "usr" / "bin" / "restic"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(SCRIPT)
    control = (
        f"Package: restic\nVersion: 9.8.7-1\nArchitecture: {architecture()}\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: a stand-in\n"
    )
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN" / "control").write_text(control)
    deb = root / "pool" / "restic.deb"
    deb.parent.mkdir(parents=True)
    subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
    _publish(root, control, deb)
    etc = top / "etc"
    etc.mkdir()
    (etc / "sources.list").write_text(f"deb [trusted=yes] file:{root} bookworm main\n")
    return Archive(etc, _sha256(deb), _sha256(binary))


def _publish(root: Path, control: str, deb: Path) -> None:
    within = f"main/binary-{architecture()}/Packages"
    packages = root / "dists" / "trixie" / within
    packages.parent.mkdir(parents=True)
    packages.write_text(
        f"{control}Filename: {deb.relative_to(root)}\n"
        f"Size: {deb.stat().st_size}\nSHA256: {_sha256(deb)}\n"
    )
    (root / "dists" / "trixie" / "Release").write_text(
        f"Suite: trixie\nCodename: trixie\nComponents: main\nArchitectures: {architecture()}\n"
        f"Date: Sat, 09 Aug 2025 12:00:00 UTC\nSHA256:\n"
        f" {_sha256(packages)} {packages.stat().st_size} {within}\n"
    )


def _toolchain(archive: Archive, folder: Path, **changed: str) -> Toolchain:
    return Toolchain(
        folder / "store", archive.lock(folder, **changed), LocalHost(), etc=archive.etc
    )


def _stored(folder: Path) -> list[str]:
    store = folder / "store"
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


def test_release_is_stored_under_its_binary_digest(archive: Archive, tmp_path: Path) -> None:
    path = _toolchain(archive, tmp_path).provide("9.8.7")

    assert [f"sha256/{archive.binary}/restic"] == _stored(tmp_path)
    assert SCRIPT == path.read_bytes()
    assert b"restic 9.8.7\n" == LocalHost().run(Command((str(path), "version"))).stdout


def test_stored_release_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    first = _toolchain(archive, tmp_path).provide("9.8.7")
    host = CountingHost()
    again = Toolchain(tmp_path / "store", tmp_path / "lock.toml", host, etc=archive.etc)

    assert first == again.find("9.8.7") == again.provide("9.8.7")
    assert [] == host.ran


def test_altered_binary_is_not_handed_out(archive: Archive, tmp_path: Path) -> None:
    toolchain = _toolchain(archive, tmp_path)
    path = toolchain.provide("9.8.7")
    path.chmod(0o755)
    path.write_bytes(SCRIPT.replace(b"echo", b"erase"))

    assert toolchain.find("9.8.7") is None
    assert SCRIPT == toolchain.provide("9.8.7").read_bytes()


@pytest.mark.parametrize("what", ["deb", "binary"])
def test_another_digest_is_refused_and_not_stored(
    archive: Archive, tmp_path: Path, what: str
) -> None:
    toolchain = _toolchain(archive, tmp_path, **{what: "0" * 64})

    with pytest.raises(ToolMissing, match=r"refused: the (package|binary) that came is") as caught:
        toolchain.provide("9.8.7")
    assert "restic 9.8.7" == caught.value.subject
    assert [] == _stored(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"package": "9.8.6-1"}, "Debian's trixie does not carry 9.8.6-1"),
        ({"suite": "sid"}, "Debian's sid could not be listed"),
        ({"arch": "vax"}, "the lock has no digest of it for"),
    ],
)
def test_release_that_cannot_be_had_is_missing(
    archive: Archive, tmp_path: Path, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(ToolMissing, match=message):
        _toolchain(archive, tmp_path, **changed).provide("9.8.7")
    assert [] == _stored(tmp_path)


@pytest.mark.heavy
def test_silent_mirror_is_not_taken_for_an_empty_one(archive: Archive, tmp_path: Path) -> None:
    # Port 9 is reserved for discarding; nothing on this machine answers there.
    (tmp_path / "sources.list").write_text("deb http://127.0.0.1:9/debian bookworm main\n")
    toolchain = Toolchain(tmp_path / "store", archive.lock(tmp_path), LocalHost(), etc=tmp_path)

    with pytest.raises(ToolMissing, match="Debian's trixie could not be listed"):
        toolchain.provide("9.8.7")


def test_only_exact_versions_are_known(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="names no such release") as caught:
        _toolchain(archive, tmp_path).provide("9.8")
    assert "releases are 9.8.7" == caught.value.remedy


def test_machine_without_apt_is_told_so(archive: Archive, tmp_path: Path) -> None:
    host = LocalHost(env={"PATH": str(tmp_path)})
    toolchain = Toolchain(tmp_path / "store", archive.lock(tmp_path), host, etc=archive.etc)

    with pytest.raises(ToolMissing, match="this machine has no apt-get"):
        toolchain.provide("9.8.7")


def test_store_that_cannot_be_written_is_named(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")

    with pytest.raises(CannotVerify, match="restic releases cannot be kept here"):
        _toolchain(archive, tmp_path).provide("9.8.7")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("[[release]]", "[[release"),
        lambda text: text.replace("suite", "sweet"),
        lambda text: text.replace('.deb = "', '.deb = "zz'),
        lambda _: 'release = "9.8.7"',
        lambda _: "",
    ],
)
def test_spoilt_lock_is_a_configuration_error(
    archive: Archive, tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    lock = archive.lock(tmp_path)
    assert 1 == len(load_lock(lock))

    lock.write_text(spoil(lock.read_text()))
    with pytest.raises(ConfigError, match="expected a lock of restic releases"):
        load_lock(lock)


OWN = {"uris": "http://mirror.example/debian", "signed-by": "/debian-archive-keyring.gpg"}


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "sources.list",
            "# deb http://a.example/debian x main\n"
            "deb [arch=amd64 signed-by=/debian-archive-keyring.gpg] "
            "http://mirror.example/debian bookworm main contrib # ours\n",
            OWN,
        ),
        (
            "sources.list.d/debian.sources",
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
            "# a comment\nComponents: main\nSigned-By: /debian-archive-keyring.gpg\n\n"
            "Types: deb\nURIs: http://mirror.example/debian-security\n"
            "Suites: bookworm-security\nComponents: main\n",
            OWN,
        ),
        (
            "sources.list.d/a.sources",
            "Types: deb\nURIs: http://other.example/tool\nSuites: bookworm\nComponents: main\n"
            "\n\nEnabled: no\nTypes: deb\nURIs: http://old.example/debian\nSuites: sid\n"
            "Components: main\n \n"
            "Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: sid\n"
            "Components: main\nX-Note: none\nSigned-By:\n KEY\n .\n BLOCK\n",
            {"uris": "http://mirror.example/debian", "signed-by": "\n KEY\n .\n BLOCK"},
        ),
    ],
    ids=["one-line", "deb822", "foreign-and-disabled"],
)
def test_mirror_is_the_machines_own(
    tmp_path: Path, file: str, text: str, expected: dict[str, str]
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text)

    assert expected == read_mirror(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "deb http://mirror.example/debian-security bookworm-security main",
        "deb http://mirror.example/flat ./",
        "deb-src http://mirror.example/debian bookworm main",
        "",
    ],
)
def test_machine_without_debian_is_told_so(tmp_path: Path, line: str) -> None:
    (tmp_path / "sources.list").write_text(line)

    with pytest.raises(ToolMissing, match="name no Debian archive"):
        read_mirror(tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("version", [release.version for release in load_lock(LOCK)])
def test_locked_release_says_its_version(
    restic_release: Callable[[str], Path], version: str
) -> None:
    command = Command((str(restic_release(version)), "version"))

    assert LocalHost().run(command).stdout.decode().startswith(f"restic {version} ")
