"""Real repositories, made by the restic on PATH, and folders with every awkward kind of file."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.dask import dask_cluster, tls_cluster
from tests.servers.s3 import s3_server
from tests.servers.sshd import ssh_path, sshd
from verifier.core.host import Command
from verifier.fleet.local import LocalHost
from verifier.reader.repository import open_repository
from verifier.reader.seal import NONCE_BYTES, seal
from verifier.simulate.forge import cheapen

__all__ = ["dask_cluster", "s3_server", "ssh_path", "sshd", "tls_cluster"]

PASSWORD = "correct horse"
VARIANTS = {
    "v1": ("1", ()),
    "v2": ("2", ()),
    "v2-max": ("2", ("--compression", "max")),
    "v2-off": ("2", ("--compression", "off")),
}


@dataclass(frozen=True)
class Restic:
    """The restic on PATH, asked about one repository."""

    program: str
    root: Path

    def __call__(self, *arguments: str, cwd: Path | None = None) -> bytes:
        argv = (self.program, "--no-cache", "-r", str(self.root), *arguments)
        env = {"RESTIC_PASSWORD": PASSWORD}
        done = LocalHost().run(Command(argv, env=env, cwd=str(cwd or "")))

        assert done.status == 0, done.stderr.decode(errors="replace")

        return done.stdout

    def json_lines(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self(*arguments).splitlines()]


@dataclass(frozen=True)
class Made:
    """A repository that restic made, with the folder it backed up."""

    root: Path
    source: Path
    restic: Restic
    password: str = PASSWORD


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source") / "web1"
    fill(root)
    return root


def fill(root: Path) -> None:
    """Make one of every kind of file that restic treats in its own way."""
    root.mkdir()
    (root / "empty").touch()
    (root / "big").write_bytes(random.Random(1).randbytes(10 << 20))
    (root / "text").write_text("abcdefgh" * 20_000)
    (root / 'line\nbreak \\ "quoted" \t é').write_text("newline")
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9\xff")).write_text("not UTF-8")
    (root / "link").symlink_to("text")
    (root / "raw-link").symlink_to(os.fsdecode(b"gone-\xfe"))
    (root / "hard").hardlink_to(root / "text")
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(3 << 20)
    os.mkfifo(root / "pipe")
    (root / "setuid").touch()
    (root / "setuid").chmod(0o6751)
    (root / "sticky").mkdir()
    (root / "sticky").chmod(0o1777)
    os.utime(root / "text", ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
    deep = root
    for level in range(60):
        deep = deep / f"level{level}"
        deep.mkdir()
    (deep / "bottom").write_text("deep")


@pytest.fixture(scope="session")
def empty_of(
    restic_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Make an empty repository of each version once: `init` is the slowest of all commands."""
    known: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in known:
            known[version] = tmp_path_factory.mktemp("empty") / version
            Restic(restic_program, known[version])("init", "--repository-version", version)
            cheapen(known[version], PASSWORD)
        return known[version]

    return make


@pytest.fixture(scope="session")
def made_of(
    restic_program: str,
    source: Path,
    empty_of: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Made]:
    """Make each kind of repository once: two snapshots of two hosts, the second with more."""
    known: dict[str, Made] = {}

    def make(variant: str) -> Made:
        if variant not in known:
            root = tmp_path_factory.mktemp(variant) / "repository"
            restic = Restic(restic_program, root)
            version, at_backup = VARIANTS[variant]
            shutil.copytree(empty_of(version), root)
            restic(*at_backup, "backup", "--host", "web1", str(source))
            (source / "later").write_text("only in the second snapshot")
            extra = ("--host", "web2", "--tag", "a,b", "--time", "2021-03-14 01:59:59")
            restic(*at_backup, "backup", *extra, "web1", cwd=source.parent)
            (source / "later").unlink()
            known[variant] = Made(root, source, restic)
        return known[variant]

    return make


@pytest.fixture(
    params=[
        "v1",
        "v2",
        pytest.param("v2-max", marks=pytest.mark.heavy),
        pytest.param("v2-off", marks=pytest.mark.heavy),
    ]
)
def made(request: pytest.FixtureRequest, made_of: Callable[[str], Made]) -> Made:
    return made_of(request.param)


@pytest.fixture(scope="session")
def tiny(
    restic_program: str, empty_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """A repository of a few hundred bytes, with one snapshot."""
    root = tmp_path_factory.mktemp("tiny")
    (root / "source").mkdir()
    (root / "source" / "file").write_text("content")
    shutil.copytree(empty_of("2"), root / "repository")
    restic = Restic(restic_program, root / "repository")
    restic("backup", "source", cwd=root)
    return Made(root / "repository", root / "source", restic)


@pytest.fixture
def tiny_copy(tiny: Made, tmp_path: Path) -> Made:
    shutil.copytree(tiny.root, tmp_path / "tiny")
    return Made(tmp_path / "tiny", tiny.source, Restic(tiny.restic.program, tmp_path / "tiny"))


@pytest.fixture
def copy_of(made_of: Callable[[str], Made], tmp_path: Path) -> Callable[[str], Made]:
    """Copy a repository to be damaged. Files are hard links: replace them, never write them."""

    def copy(variant: str = "v2") -> Made:
        healthy = made_of(variant)
        root = tmp_path / "copy"
        shutil.copytree(healthy.root, root, copy_function=os.link)
        return Made(root, healthy.source, Restic(healthy.restic.program, root))

    return copy


@pytest.fixture
def store_sealed() -> Callable[[Made, str, bytes], str]:
    """Seal a message with the repository's own key and store it; return the file's name."""

    def store(made: Made, kind: str, message: bytes) -> str:
        keys = open_repository(made.root, made.password).keys
        stored = seal(message, keys, os.urandom(NONCE_BYTES))
        name = f"{kind}/{hashlib.sha256(stored).hexdigest()}"
        (made.root / name).write_bytes(stored)
        return name

    return store
