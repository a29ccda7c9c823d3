"""Repositories read from a real S3 server, that restic itself wrote there."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import replace

import pytest

from tests.servers.s3 import S3Server
from verifier.core.errors import NoKeyOpens, RepositoryUnreadable
from verifier.core.host import Command
from verifier.fleet.local import LocalHost
from verifier.reader.damage import Flaw
from verifier.reader.location import open_storage
from verifier.reader.repository import open_repository
from verifier.reader.verify import verify

pytestmark = pytest.mark.heavy
PASSWORD = "of the copy"


def run_restic(program: str, server: S3Server, *arguments: str, **env: str) -> str:
    line = Command((program, "--no-cache", *arguments), env={**server.environ, **env})
    done = LocalHost().run(line, timeout_s=120)

    assert done.status == 0, done.stderr.decode(errors="replace")

    return done.stdout.decode()


@pytest.fixture(scope="module")
def written(restic_program, s3_server, tmp_path_factory) -> str:
    """A repository that restic made on the server, with one snapshot of two files."""
    source = tmp_path_factory.mktemp("source") / "web1"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(9 << 20))
    (source / "text").write_text("content")
    location = s3_server.location("written/below/r")
    for arguments in (("init",), ("backup", str(source))):
        run_restic(restic_program, s3_server, "-r", location, *arguments, RESTIC_PASSWORD=PASSWORD)
    return location


def test_what_restic_wrote_there_is_read_whole(written, restic_program, s3_server):
    repository = open_repository(open_storage(written, s3_server.environ), PASSWORD)
    result = verify(repository, read_data=True)
    listed = run_restic(
        restic_program, s3_server, "-r", written, "list", "packs", RESTIC_PASSWORD=PASSWORD
    )

    assert () == result.damages
    assert result.read_bytes > 9 << 20
    assert {f"data/{id[:2]}/{id}" for id in listed.split()} == set(repository.storage.list("data"))
    assert dict(repository.storage.sizes("snapshots"))


def test_the_copy_that_restic_makes_is_read(made_of, restic_program, s3_server):
    made = made_of("v2")
    location = s3_server.location("copied/r")
    both = {"RESTIC_PASSWORD": PASSWORD, "RESTIC_PASSWORD2": made.password}
    both |= {"RESTIC_FROM_PASSWORD": made.password}
    run_restic(restic_program, s3_server, "-r", location, "init", **both)
    run_restic(
        restic_program, s3_server, "-r", location, "copy", "--from-repo", str(made.root), **both
    )
    copy = open_repository(open_storage(location, s3_server.environ), PASSWORD)

    assert not verify(copy, read_data=True).damages
    assert {s.tree for s in copy.snapshots()} == {
        s.tree for s in open_repository(made.root, made.password).snapshots()
    }


def test_a_mirror_is_damaged_where_its_original_is(tiny_copy, s3_server):
    pack = next((tiny_copy.root / "data").glob("*/*"))
    content = bytearray(pack.read_bytes())
    content[20] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    s3_server.upload(tiny_copy.root, f"damaged-{hashlib.sha256(content).hexdigest()[:8]}/r")
    location = s3_server.location(f"damaged-{hashlib.sha256(content).hexdigest()[:8]}/r")
    mirror = open_repository(open_storage(location, s3_server.environ), tiny_copy.password)
    result = verify(mirror, read_data=True)

    assert result.damages
    assert result == verify(open_repository(tiny_copy.root, tiny_copy.password), read_data=True)


def test_a_wrong_secret_is_told_at_once(written, s3_server):
    wrong = {**s3_server.environ, "AWS_SECRET_ACCESS_KEY": "another"}
    with pytest.raises(RepositoryUnreadable) as error:
        open_repository(open_storage(written, wrong), PASSWORD)

    assert "AWS_SECRET_ACCESS_KEY" in error.value.remedy
    assert "another" not in str(error.value)
    with pytest.raises(NoKeyOpens):
        open_repository(open_storage(written, s3_server.environ), "wrong")


def test_an_unknown_key_is_told_at_once(written, s3_server):
    unknown = {**s3_server.environ, "AWS_ACCESS_KEY_ID": "nobody"}
    with pytest.raises(RepositoryUnreadable):
        open_storage(written, unknown).size("config")


def test_credentials_of_a_file_serve_as_well(written, s3_server, tmp_path):
    file = tmp_path / "credentials"
    lines = (f"{name.lower()} = {value}\n" for name, value in s3_server.environ.items())
    file.write_text("[backup]\n" + "".join(lines))
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "backup"}

    assert isinstance(open_storage(written, environ).size("config"), int)


def test_no_bucket_is_no_repository(s3_server):
    storage = open_storage(s3_server.location("no-such-bucket/r"), s3_server.environ)

    assert storage.read("config", 0, 5) == storage.size("config") == Flaw("is missing")
    with pytest.raises(RepositoryUnreadable, match="no restic repository"):
        open_repository(storage, PASSWORD)


def test_nobody_answering_is_told_after_our_patience(s3_server):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    storage = open_storage(f"s3:http://127.0.0.1:{port}/b", s3_server.environ)
    with pytest.raises(RepositoryUnreadable, match=str(port)):
        replace(storage, patience_s=0.5).size("config")


def test_more_than_a_thousand_files_are_all_listed(s3_server, tmp_path):
    names = sorted(f"{number:064x}" for number in range(1100))
    (tmp_path / "index").mkdir()
    for name in names:
        (tmp_path / "index" / name).write_bytes(b"x")
    s3_server.upload(tmp_path, "many")
    storage = open_storage(s3_server.location("many"), s3_server.environ)

    assert [(f"index/{name}", 1) for name in names] == list(storage.sizes("index"))


def test_bit_rot_on_the_servers_own_disk_is_damage_of_that_file_alone(s3_server, tmp_path):
    """The server answers, and says that it failed: no reason to say nothing of all the rest."""
    content = b"here it rots" + os.urandom(300_000)
    for name in ("config", "sound"):
        (tmp_path / name).write_bytes(b"fine")
    (tmp_path / "rotten").write_bytes(content)
    s3_server.upload(tmp_path, "rotten/r")
    for volume in s3_server.folder.rglob("*.dat"):
        at = volume.read_bytes().find(content[:12])
        if at >= 0:
            with volume.open("r+b") as stream:
                stream.seek(at + 100)
                stream.write(bytes(100))
    storage = replace(open_storage(s3_server.location("rotten/r"), s3_server.environ), patience_s=1)
    found = storage.read("rotten", 0, 1_000)

    assert isinstance(found, Flaw)
    assert "cannot be read back by the server" in found.what
    assert storage.read("sound") == b"fine"
