"""What comes twice, holds a secret, or is another place for everybody who reads it."""

from __future__ import annotations

import pytest

from tests.config.test_load import edited, refusal
from tests.cycle.test_render import changed
from verifier.config.contradictions import OWN_UNITS, misplaced
from verifier.config.load import parse
from verifier.config.places import holds_secret, is_anywhere
from verifier.cycle.render import render

HOST = '[[hosts]]\nname = "web1"\nport = 50000\n'
TWIN = '[[hosts]]\nname = "web0"\ninclude = ["/"]\n'


@pytest.mark.parametrize(
    ("own", "other", "key", "found"),
    [
        ('address = "local"', 'address = "local"', "address", "'local', which is web0 already"),
        ("", 'address = "WEB1"', "name", "'web1' with port 50000, which is web0 already"),
        ('address = "10.0.0.1"', 'address = "10.0.0.1"', "address",
         "'10.0.0.1' with port 50000, which is web0 already"),
    ],
)  # fmt: skip
def test_two_hosts_are_never_one_machine(own: str, other: str, key: str, found: str) -> None:
    """Each would be backed up by the script of the last."""
    error = refusal(edited(HOST, f"{TWIN}{other}\n{HOST}{own}\n"))

    assert (f"hosts[1].{key}", found) == (error.key, error.found)
    assert error.line is not None
    assert "one [[hosts]] table" in error.remedy


@pytest.mark.parametrize(
    ("own", "other"),
    [('address = "local"', ""), ("", 'address = "web1"\nport = 50001'),
     ('address = "local"', 'address = "local"\nsource-root = "/mnt/web0"')],
)  # fmt: skip
def test_machines_that_differ_are_taken(own: str, other: str) -> None:
    """As are trees below roots of their own, which a drill compares where they are mounted."""
    parse(edited(HOST, f"{TWIN}{other}\n{HOST}{own}\n"), "verify.toml", {})


def test_trees_below_roots_of_their_own_are_not_backed_up_as_hosts() -> None:
    hosts = [{"name": name, "include": ["/"], "address": "local", "source-root": f"/mnt/{name}"}
             for name in ("a", "b")]  # fmt: skip
    (problem,) = misplaced(changed(hosts=hosts))

    assert ("hosts", 1, "address") == problem.location


@pytest.mark.parametrize("name", OWN_UNITS)
def test_cycle_takes_no_other_units_name(name: str) -> None:
    line = 'log-service = "run-backups"'
    error = refusal(edited(line, f'log-service = "{name}"'))

    assert ("coordinator.log-service", True) == (error.key, "run-backups" in error.remedy)


def test_names_of_the_other_units_are_known() -> None:
    rendered = {name.rpartition("/")[2] for name in render(changed())}

    assert {f"{name}.service" for name in OWN_UNITS} == {
        name for name in rendered if name.startswith("restic-verify-") and name.endswith(".service")
    }


SECRET = "rest:http://bob:hunter2@backup.example.org/r"


@pytest.mark.parametrize(
    ("find", "replace", "key"),
    [
        ('location = "/mnt/storage/restic"', f'location = "{SECRET}"', "repository.location"),
        ('repository = "/mnt/jak/restic"', f'repository = "{SECRET}"', "hosts[0].repository"),
        ('method = "rclone-sync"\ntarget = "offsite:restic"',
         f'method = "restic-copy"\ntarget = "{SECRET}"', "offsite.target"),
        ('target = "offsite:restic"', f'target = "offsite:restic"\nlocation = "{SECRET}"',
         "offsite.location"),
        ('target = "offsite:restic"', 'target = ":s3,secret_access_key=hunter2:restic"',
         "offsite.target"),
    ],
)  # fmt: skip
def test_no_location_holds_a_password(find: str, replace: str, key: str) -> None:
    error = refusal(edited(find, replace))
    own = "backup-restic" if key.startswith("hosts") else "/etc/restic-verify/environment"

    assert key == error.key
    assert own in error.remedy
    assert "hunter2" not in str(error)


def test_password_of_restics_environment_is_used_and_not_rendered() -> None:
    text = edited('location = "/mnt/storage/restic"\n', "")
    config = parse(text, "verify.toml", {"RESTIC_REPOSITORY": SECRET})
    (problem,) = misplaced(config)

    assert ("repository", "location") == problem.location
    assert "hunter2" not in problem.found


@pytest.mark.parametrize("end", ['"', ""], ids=["refused", "no TOML"])
def test_refused_url_is_shown_without_its_password(end: str) -> None:
    url = f'url = "http://bob:hunter2@logs{end}'
    error = refusal(edited("[monthly]", f"[sinks.clickhouse]\n{url}\n[monthly]"))

    assert "bob:***@logs" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "location",
    ["/a//b:c@d", "sftp:bob@jak:/r", "sftp://bob@jak:22//r", "rest:http://[fe80::1]:8000/a@b",
     "s3:https://s3.example.org/b", "rclone:far:r", "rclone::s3,access_key_id=x,env_auth:b"],
)  # fmt: skip
def test_location_without_a_secret_is_known_as_one(location: str) -> None:
    assert not holds_secret(location)
    assert is_anywhere(location)


@pytest.mark.parametrize("location", ["repo", "./repo", "local:repo", "local:/repo", "C:repo"])
def test_path_that_depends_on_where_one_stands_is_not_rendered(location: str) -> None:
    for tables, where in (
        ({"repository": {"location": location}}, ("repository", "location")),
        ({"hosts": [{"name": "a", "include": ["/"], "repository": location}]},
         ("hosts", 0, "repository")),
        ({"offsite": {"method": "restic-copy", "target": location}}, ("offsite", "target")),
    ):  # fmt: skip
        assert [where] == [problem.location for problem in misplaced(changed(**tables))]


@pytest.mark.parametrize(
    ("target", "fits"), [("far:r", True), (":s3,env_auth:b", True), ("/mnt/r", True), ("r", False)]
)
def test_what_rclone_is_told_is_a_remote_or_a_full_path(target: str, fits: bool) -> None:
    offsite = {"method": "rclone-sync", "target": target}

    assert fits is (not list(misplaced(changed(offsite=offsite))))
