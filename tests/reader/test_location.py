"""Locations in restic's spelling, and what says that one cannot be opened."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from verifier.core.errors import RepositoryUnreadable, ToolMissing, UsageError
from verifier.reader.location import open_storage
from verifier.reader.remote import Remote
from verifier.reader.s3 import open_s3
from verifier.reader.sftp import OpenSsh
from verifier.reader.storage import Folder


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("/backups/r", "/backups/r"),
        ("relative", "relative"),
        ("local:/backups/r", "/backups/r"),
        ("local:sftp:x", "sftp:x"),
        ("./with:colon", "with:colon"),
        ("/with:colon", "/with:colon"),
    ],
)
def test_folders_of_this_machine(location, folder):
    assert open_storage(location, {}) == Folder(Path(folder))


@pytest.mark.parametrize(
    ("location", "target", "root"),
    [
        ("sftp:web1:/srv/r", OpenSsh("web1"), "/srv/r"),
        ("sftp:web1:r", OpenSsh("web1"), "r"),
        ("sftp:backup@web1:/srv//r/", OpenSsh("web1", "backup"), "/srv/r"),
        ("sftp:a@realm@web1:/r", OpenSsh("web1", "a@realm"), "/r"),
        ("sftp:web1:/with:colon", OpenSsh("web1"), "/with:colon"),
        ("sftp://web1/r", OpenSsh("web1"), "r"),
        ("sftp://web1//r", OpenSsh("web1"), "/r"),
        ("sftp://backup@web1:50000//srv/r", OpenSsh("web1", "backup", 50000), "/srv/r"),
        ("sftp://backup@[::1]:50000//r", OpenSsh("::1", "backup", 50000), "/r"),
        ("sftp://me%40x@Web1//with%20space", OpenSsh("Web1", "me@x"), "/with space"),
    ],
)
def test_sftp_in_both_spellings(location, target, root):
    storage = open_storage(location, {})

    assert isinstance(storage, Remote)
    assert (storage.files, storage.root, storage.location) == (target, root, location)


def test_ssh_is_told_what_the_location_says_and_no_more():
    argv = OpenSsh("web1", "backup", 50000).argv()

    assert argv[-8:] == ("-l", "backup", "-p", "50000", "-s", "--", "web1", "sftp")
    assert "BatchMode=yes" in argv
    assert "-l" not in OpenSsh("web1").argv()


@pytest.mark.parametrize(
    ("location", "root", "endpoint", "style"),
    [
        ("s3:https://h:9000/b/p/q/", "b/p/q", "https://h:9000", "path"),
        ("s3:http://h:9000/b", "b", "http://h:9000", "path"),
        ("s3:h/b/p", "b/p", "https://h", "path"),
        ("s3://h/b/p", "b/p", "https://h", "path"),
        ("s3:s3.amazonaws.com/b/p", "b/p", None, "virtual"),
        (
            "s3:s3.eu-west-1.amazonaws.com/b",
            "b",
            "https://s3.eu-west-1.amazonaws.com",
            "virtual",
        ),
    ],
)
def test_s3_as_restic_spells_it(location, root, endpoint, style):
    storage = open_storage(location, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})

    assert isinstance(storage, Remote)
    assert (storage.root, storage.location) == (root, location)
    assert endpoint == storage.files.endpoint_url
    assert style == storage.files.config_kwargs["s3"]["addressing_style"]


@pytest.mark.parametrize(
    ("location", "environ", "region"),
    [
        ("s3:h/b", {}, None),
        ("s3:h/b", {"AWS_DEFAULT_REGION": "garage"}, "garage"),
        ("s3:s3.eu-west-1.amazonaws.com/b", {}, "eu-west-1"),
        ("s3:s3-eu-west-1.amazonaws.com/b", {}, "eu-west-1"),
        ("s3:s3.dualstack.eu-west-1.amazonaws.com/b", {}, "eu-west-1"),
        ("s3:s3.eu-west-1.amazonaws.com/b", {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
    ],
)
def test_region_is_said_or_known_from_the_address(location, environ, region, tmp_path):
    storage = open_storage(location, {"HOME": str(tmp_path), **environ})

    assert region == storage.files.client_kwargs.get("region_name")


def test_the_certificate_that_restic_trusts_is_trusted(tmp_path):
    environ = {"HOME": str(tmp_path), "RESTIC_CACERT": "/etc/ours.pem"}

    assert open_storage("s3:h/b", environ).files.client_kwargs == {"verify": "/etc/ours.pem"}
    assert open_storage("s3:h/b", {"HOME": str(tmp_path)}).files.client_kwargs == {}


def credentials(environ: dict[str, str]) -> tuple[str | None, str | None, str | None]:
    files = open_s3("s3:h/b", "https://h", "b", environ).files
    return files.key, files.secret, files.token


def test_credentials_are_found_as_restic_finds_them(tmp_path):
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = k1\naws_secret_access_key = s%1\n"
        "[web]\naws_access_key_id = k2\naws_secret_access_key = s2\naws_session_token = t2\n"
    )
    named = {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    said = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}

    assert credentials(said) == credentials({**named, **said}) == ("k", "s", "t")
    assert credentials(named) == ("k1", "s%1", None)
    assert credentials({**named, "AWS_PROFILE": "web"}) == ("k2", "s2", "t2")
    assert credentials({**named, "AWS_PROFILE": "other"}) == (None, None, None)
    assert credentials({"HOME": str(tmp_path / "none")}) == (None, None, None)


def test_credentials_below_the_home_directory_are_found(tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=k\naws_secret_access_key=s\n"
    )

    assert credentials({"HOME": str(tmp_path)}) == ("k", "s", None)


def test_garbage_for_credentials_is_an_error_that_tells_no_secret(tmp_path):
    file = tmp_path / "credentials"
    file.write_text("aws_secret_access_key = hush\n")
    with pytest.raises(RepositoryUnreadable) as error:
        credentials({"AWS_SHARED_CREDENTIALS_FILE": str(file)})

    assert str(file) == error.value.subject
    assert "hush" not in f"{error.value}{error.value.remedy}"
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_secrets_are_not_in_what_people_see():
    environ = {"AWS_ACCESS_KEY_ID": "key-7", "AWS_SECRET_ACCESS_KEY": "hush-7"}
    storage = open_storage("s3:http://h/b", environ)

    assert "7" not in repr(storage).replace(hex(id(storage.files)), "")
    assert "7" not in storage.location
    assert storage.files.secret == pickle.loads(pickle.dumps(storage)).files.secret  # noqa: S301


@pytest.mark.parametrize(
    "location",
    [
        "rest:https://h/r",
        "b2:bucket:r",
        "azure:c:/",
        "gs:b:/",
        "rclone:remote:r",
        "swift:c:/r",
        "nonsense:",
        "",
        "local:",
        "sftp:web1",
        "sftp:/srv",
        "sftp::/srv",
        "sftp:web1:",
        "sftp:web1:~/r",
        "sftp:-oProxyCommand=x:/r",
        "sftp:-oX@web1:/r",
        "sftp://web1",
        "sftp://web1/",
        "sftp://web1:port//r",
        "sftp://-oX//r",
        "sftp://user:hush@web1//r",
        "s3:",
        "s3:host",
        "s3:http://host",
        "s3:http://host/",
        "s3:http://key:hush@host/b",
    ],
)
def test_what_cannot_be_opened_names_what_can(location):
    with pytest.raises(UsageError) as error:
        open_storage(location, {})

    assert "sftp:" in error.value.remedy
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("location", "package", "module", "extra"),
    [
        ("sftp:web1:/r", "paramiko", "verifier.reader.sftp", "sftp"),
        ("s3:h/b", "s3fs", "verifier.reader.s3", "s3"),
    ],
)
def test_a_missing_extra_is_named(location, package, module, extra, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.delitem(__import__("sys").modules, module, raising=False)
    with pytest.raises(ToolMissing) as error:
        open_storage(location, {})

    assert f"in a clone of restic-verify: pip install '.[{extra}]'" == error.value.remedy


def test_no_ssh_on_path_is_a_missing_tool(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(ToolMissing, match="ssh"):
        open_storage("sftp:nobody-asks-for-this:/r", {}).size("config")
