"""What of a configuration a fleet keeps, and what it replaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simulate.systems import config
from verifier.config.models import Config
from verifier.cycle.render import render
from verifier.simulate.worlds.fleet_keys import new_identity
from verifier.simulate.worlds.fleet_settle import copy_folder, free_name, remote_of, settle
from verifier.simulate.worlds.fleet_store import StoreSite
from verifier.simulate.worlds.fleet_system import Grounds, coordinator_machine, host_machine

PRODUCTION: dict[str, Any] = {
    "repository": {"location": "/mnt/storage/restic", "password-file": "/mnt/keys/restic/password"},
    "offsite": {"method": "rclone-sync", "target": "offsite:restic"},
    "hosts": [{"name": "web1", "repository": "/mnt/jak/restic", "include": ["/etc"]}],
}


def _grounds(folder: Path, *, controlled: bool) -> Grounds:
    (folder / "restic").write_bytes(b"a program")
    store = StoreSite.make("store", folder / "o", folder / "access", folder / "rclone")
    places = (folder / "r", folder / "o", folder / "c", folder / "restic")
    return Grounds(*places, 1_500, controlled, store)


def test_production_paths_stay() -> None:
    system = config(**PRODUCTION)
    settled = settle(system)
    (host,) = settled.hosts

    assert system.repository.location == settled.repository.location
    assert system.key_file == settled.key_file
    assert system.offsite == settled.offsite
    assert ("web1", "/mnt/jak/restic", 50_000) == (host.address, host.repository, host.port)


def test_settled_twice_is_settled_once() -> None:
    once = settle(config(**PRODUCTION))

    assert once == settle(once)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/srv/r", ("/srv/r", "/srv/r")),
        ("s3:https://x/y", ("/mnt/storage/restic", "/mnt/jak/restic")),
    ],
)
def test_repository_that_is_no_folder_becomes_one(location: str, expected: tuple[str, ...]) -> None:
    repository = {"location": location, "password-file": "/mnt/keys/k"}
    settled = settle(config(repository=repository))

    assert expected == (settled.repository.location, settled.hosts[0].repository)


@pytest.mark.parametrize(
    ("key_file", "expected"),
    [
        ("/media/usb/deep/key", "/media/usb/deep/key"),
        ("/etc/key", "/mnt/keys/restic/password"),
        ("/mnt/key", "/mnt/keys/restic/password"),
    ],
)
def test_key_lies_on_a_mount_of_its_own(key_file: str, expected: str) -> None:
    assert expected == settle(config(coordinator={"name": "jak", "key-file": key_file})).key_file


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("web1.example.org", "web1.example.org"),
        ("10.0.0.7", "web1"),
        ("fe80::1", "web1"),
        ("local", "web1"),
    ],
)
def test_address_that_a_network_cannot_give_is_the_name(address: str, expected: str) -> None:
    hosts = [{"name": "web1", "include": ["/srv"], "address": address}]

    assert expected == settle(config(hosts=hosts)).hosts[0].address


def test_hosts_behind_one_address_are_told_apart_by_name() -> None:
    hosts = [{"name": n, "include": ["/srv"], "address": "gate.example"} for n in ("a", "b")]

    assert ["a", "b"] == [host.address for host in settle(config(hosts=hosts)).hosts]


def test_host_of_the_coordinators_name_is_another_machine() -> None:
    settled = settle(config(hosts=[{"name": "jak", "include": ["/srv"]}]))

    assert "jak" != settled.coordinator.name


@pytest.mark.parametrize(
    ("method", "target", "settled", "copy"),
    [
        ("rclone-sync", "off:a/b", "off:a/b", "copy/a/b"),
        ("rclone-sync", "off:", "off:", "copy"),
        ("rclone-sync", "/mnt/x", "/mnt/x", "."),
        ("rclone-sync", ":s3:bucket", "/mnt/offsite", "."),
        ("restic-copy", "s3:x/y", "/mnt/offsite", "."),
    ],
)
def test_copy_lies_in_a_folder_of_ours(
    tmp_path: Path, method: str, target: str, settled: str, copy: str
) -> None:
    system = settle(config(offsite={"method": method, "target": target}))

    assert system.offsite is not None
    assert settled == system.offsite.target
    assert tmp_path / copy == copy_folder(system, tmp_path)


def test_system_without_a_copy_has_no_folder_for_it(tmp_path: Path) -> None:
    assert copy_folder(settle(config()), tmp_path) is None


def _machines(system: Config, grounds: Grounds) -> tuple[Any, Any]:
    keys = {host.name: new_identity() for host in system.hosts}
    mine, host = new_identity(), system.hosts[0]
    return (
        coordinator_machine(system, grounds, mine, keys),
        host_machine(system, host, grounds, mine, keys[host.name]),
    )


def test_every_rendered_file_is_installed_as_it_is(tmp_path: Path) -> None:
    system = settle(config(**PRODUCTION))
    jak, web1 = _machines(system, _grounds(tmp_path, controlled=True))
    installed = {f"coordinator{path}": file for path, file in jak.files.items()}
    installed |= {f"hosts/web1{path}": file for path, file in web1.files.items()}
    rendered = render(system)

    assert {name: (file.text.encode(), file.mode) for name, file in rendered.items()} == {
        name: (installed[name].content, installed[name].mode) for name in rendered
    }


@pytest.mark.parametrize("controlled", [True, False])
def test_a_script_stands_before_restic_only_without_a_clock(
    tmp_path: Path, controlled: bool
) -> None:
    system = settle(config(**PRODUCTION))
    _, web1 = _machines(system, _grounds(tmp_path, controlled=controlled))

    assert controlled == ("/usr/local/bin/restic" not in web1.files)
    assert controlled == ("SYS_PTRACE" in web1.capabilities)
    assert "DAC_READ_SEARCH" in web1.capabilities


def test_remote_keeps_its_name(tmp_path: Path) -> None:
    system = settle(config(**PRODUCTION))
    jak, _ = _machines(system, _grounds(tmp_path, controlled=True))
    settings = jak.files["/home/restic/.config/rclone/rclone.conf"].content

    assert system.offsite is not None
    assert ("offsite", "restic") == remote_of(system.offsite)
    assert b"[offsite]\ntype = alias\n" in settings
    assert b"endpoint = http://store:9000\n" in settings
    assert b"secret_access_key = %b\n" % _accepted(tmp_path)[1] in settings


def _accepted(folder: Path) -> list[bytes]:
    return (folder / "access" / "key").read_bytes().split(b",")


def test_machines_of_ours_take_no_name_of_theirs() -> None:
    hosts = [
        {"name": "logs", "include": ["/srv"], "address": "offsite"},
        {"name": "logs-of-fleet", "include": ["/srv"]},
    ]
    settled = settle(config(hosts=hosts))

    assert "logs-of-fleet-of-fleet" == free_name(settled, "logs")
    assert "offsite-of-fleet" == free_name(settled, "offsite")
    assert "jak-of-fleet" == free_name(settled, "jak")


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (["/etc", "/var"], "/var/lib/manifest"),
        (["/"], "/var/lib/manifest"),
        (["/var/lib/manif", "/etc/"], "/var/lib/manif/restic-manifest/manifest"),
    ],
)
def test_manifest_lies_below_an_include(include: list[str], expected: str) -> None:
    hosts = [{"name": "web1", "include": include, "manifest": "/var/lib/manifest"}]

    assert expected == settle(config(hosts=hosts)).hosts[0].manifest


def test_host_with_a_manifest_has_its_program(tmp_path: Path) -> None:
    hosts = [{"name": "web1", "include": ["/srv"], "manifest": "/srv/m/manifest"}]
    _, web1 = _machines(settle(config(hosts=hosts)), _grounds(tmp_path, controlled=True))
    program = web1.files["/usr/local/bin/restic-manifest"]

    assert 0o755 == program.mode
    assert b"/srv/m/manifest" in program.content
    assert "install -d -o restic /srv/m" in web1.boot
