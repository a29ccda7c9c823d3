"""How hosts, repository and copy are reached: ssh, NFS, rclone, and the right to read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cycle.test_render import HOSTILE, changed, install, one_host
from verifier.config.defaults import PROBE
from verifier.config.install import is_secret
from verifier.config.models import Config
from verifier.cycle.render import render
from verifier.cycle.template import unit_name

NFS: dict[str, Any] = {"nfs": {"server": "192.168.56.10"}}
UNITS = "hosts/web1/etc/systemd/system"
REMOTE = {"type": "s3", "options": {"provider": "Other", "endpoint": "https://s3.example.org"}}


def system(**tables: Any) -> Config:
    """Return the example with some tables replaced, and a password."""
    return changed(**{"repository": {"location": "/r", "password-file": "/p"}, **tables})


def ask(*command: str) -> str:
    """Return what a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1))
def test_a_path_is_escaped_as_systemd_does(name: str) -> None:
    if name not in {".", ".."}:
        path = f"/mnt/{name}/restic"

        assert ask("systemd-escape", "--path", "--", path) == unit_name(path)


@pytest.mark.parametrize("path", ["/", "/mnt/jak/restic", "/.hidden/a-b", "/ünï/c_d:e", "/a/"])
def test_usual_paths_are_escaped_as_systemd_does(path: str) -> None:
    assert ask("systemd-escape", "--path", "--", path) == unit_name(path)


def test_a_host_mounts_what_the_coordinator_exports() -> None:
    host = one_host(repository="/mnt/jak-1/restic", address="192.168.56.11")
    files = render(system(hosts=host, **NFS))
    mount = files[f"{UNITS}/mnt-jak\\x2d1-restic.mount"].text.splitlines()
    automount = files[f"{UNITS}/mnt-jak\\x2d1-restic.automount"].text.splitlines()
    exported = files["coordinator/etc/exports.d/restic.exports"].text.splitlines()[-1]

    assert {"What=192.168.56.10:/r", "Where=/mnt/jak-1/restic", "Type=nfs4"} <= set(mount)
    assert "Where=/mnt/jak-1/restic" in automount
    assert "/r 192.168.56.11(rw,sync,no_subtree_check,root_squash)" == exported


def test_who_may_mount_can_be_said() -> None:
    nfs = {"clients": ["192.168.56.0/24", "backup.example.org"]}
    exported = render(system(nfs=nfs))["coordinator/etc/exports.d/restic.exports"].text

    options = "(rw,sync,no_subtree_check,root_squash)"
    assert f"/r 192.168.56.0/24{options} backup.example.org{options}" in exported


def test_nothing_is_exported_unless_it_is_asked_for() -> None:
    usual = [name for name in render(system()) if "mount" in name or "exports" in name]
    local = [name for name in render(system(hosts=one_host(address="local"), **NFS))
             if "mount" in name or "exports" in name]  # fmt: skip

    assert [] == usual == local


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    files = render(system(hosts=one_host(repository="/m"), nfs={"server": "fd00::1"}))

    assert "What=[fd00::1]:/r" in files[f"{UNITS}/m.mount"].text


@pytest.mark.parametrize("where", ["/mnt/jak/restic", "/mnt/a b/50%", "/mnt/ünï-code", "/m/$x"])
def test_mount_units_are_valid(tmp_path: Path, where: str) -> None:
    """systemd refuses a mount unit whose name is not its path."""
    install(render(system(hosts=one_host(repository=where), **NFS)), tmp_path)
    units = tmp_path / UNITS

    def complaints() -> list[str]:
        names = sorted(str(path) for path in units.iterdir())
        env = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": os.environ["PATH"]}
        command = ["systemd-analyze", "verify", "--man=no", *names]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
        return [line for line in done.stderr.splitlines() if unit_name(where) in line]

    assert [] == complaints()
    mount = units / f"{unit_name(where)}.mount"
    mount.write_text(mount.read_text().replace("Where=", "Where=/elsewhere"))
    assert complaints()


def test_a_path_of_odd_signs_is_exported_whole() -> None:
    repository = {"location": '/r (all)/"x"#', "password-file": "/p"}
    exported = render(system(repository=repository, **NFS))
    line = exported["coordinator/etc/exports.d/restic.exports"].text.splitlines()[-1]

    assert line.startswith("/r\\040\\050all\\051/\\042x\\042\\043 web1(")


def ssh_says(folder: Path, config: Config, user: str, *destination: str) -> dict[str, str]:
    """Return the settings that ssh itself makes of the rendered file, as some user."""
    (folder / "config").write_text(
        render(config)["coordinator/etc/ssh/ssh_config.d/50-restic.conf"].text
    )
    printed = ask("ssh", "-G", "-F", str(folder / "config"), *destination)
    return dict(line.partition(" ")[::2] for line in printed.splitlines())


@pytest.mark.parametrize("address", [None, "192.168.56.11", "fe80::1%eth0", "web1.example.org"])
def test_ssh_reaches_a_host_as_the_cycle_does(tmp_path: Path, address: str | None) -> None:
    user = ask("id", "-un")
    config = system(
        hosts=one_host(user="keeper", port=50_001, **({"address": address} if address else {})),
        coordinator={"name": "jak", "user": user},
    )
    found = ssh_says(tmp_path, config, user, address or "web1")

    assert ("50001", "keeper", "yes", "true") == tuple(
        found[name] for name in ("port", "user", "batchmode", "stricthostkeychecking")
    )
    assert "RESTIC_PASSWORD" == found["sendenv"]


def test_other_users_and_other_hosts_keep_their_settings(tmp_path: Path) -> None:
    user = ask("id", "-un")
    other = system(coordinator={"name": "jak", "user": "somebody-else"})
    ours = system(coordinator={"name": "jak", "user": user})

    for config, host in ((other, "web1"), (ours, "web11")):
        found = ssh_says(tmp_path, config, user, host)

        assert ("22", "no") == (found["port"], found["batchmode"])
        assert "sendenv" not in found


@pytest.mark.skipif(shutil.which("rclone") is None, reason="needs rclone")
def test_rclone_reads_the_remote_and_takes_credentials_from_elsewhere(tmp_path: Path) -> None:
    offsite = {"method": "rclone-sync", "target": "far away:restic", "remote": REMOTE}
    install(render(system(offsite=offsite)), tmp_path)
    path = tmp_path / "coordinator/etc/restic-verify/rclone.conf"
    (found,) = json.loads(ask("rclone", "--config", str(path), "config", "dump")).items()

    assert ("far away", {**REMOTE["options"], "type": "s3", "env_auth": "true"}) == found


def test_the_unit_of_the_cycle_names_the_settings_of_its_remote() -> None:
    offsite = {"method": "rclone-sync", "target": "far:restic"}
    name = "coordinator/etc/systemd/system/run-backups.service"
    setting = "Environment=RCLONE_CONFIG=/etc/restic-verify/rclone.conf"

    assert setting in render(system(offsite={**offsite, "remote": REMOTE}))[name].text
    assert setting not in render(system(offsite=offsite))[name].text


@pytest.mark.skipif(shutil.which("rclone") is None, reason="needs rclone")
def test_every_password_that_rclone_knows_of_is_a_secret() -> None:
    providers = json.loads(ask("rclone", "config", "providers"))
    secrets = {
        option["Name"] for one in providers for option in one["Options"] if option["IsPassword"]
    }

    assert secrets
    assert set() == {name for name in secrets if not is_secret(name)}


@pytest.mark.parametrize("name", ["secret_access_key", "key", "client_secret", "token", "sas_url",
                                  "account_key", "service_account_credentials", "key_pem",
                                  "key_file_pass", "bearer_token"])  # fmt: skip
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["access_key_id", "key_file", "sse_kms_key_id", "region", "host",
                                  "service_account_file", "endpoint", "provider"])  # fmt: skip
def test_what_only_names_a_secret_is_none(name: str) -> None:
    assert not is_secret(name)


def test_nothing_secret_is_ever_rendered(tmp_path: Path) -> None:
    """Every secret of a system is in reach here: in files, by commands, in the environment."""
    words = {name: f"s3cret-{name}" for name in ("password", "token", "webhook", "channel", "key")}
    for name, word in words.items():
        (tmp_path / name).write_text(f"{word}\n")
    found = render(
        system(
            repository={"location": "/r", "password-file": str(tmp_path / "password")},
            dashboard={"token": {"file": str(tmp_path / "token")}},
            sinks={
                "webhook": {
                    "url": "https://h.example",
                    "secret": {"file": str(tmp_path / "webhook")},
                }
            },
            alerts={
                "channels": [{"name": "x", "url": {"command": ["cat", str(tmp_path / "channel")]}}]
            },
            evidence={"key": str(tmp_path / "key")},
            offsite={"method": "rclone-sync", "target": "far:restic", "remote": REMOTE},
            hosts=one_host(capability="ambient", repository="/m"),
            **NFS,
        )
    )
    written = "".join(file.text for file in found.values())

    assert str(tmp_path / "password") in written
    assert [] == [word for word in words.values() if word in written]


AMBIENT = one_host(capability="ambient", user="nobody", repository="/m", become=[*PROBE])
BACKUP = "hosts/web1/usr/local/bin/backup-restic"
PERMIT = "hosts/web1/usr/local/sbin/permit-backup"


def test_a_host_has_one_way_to_its_right() -> None:
    ambient = {name.rpartition("/")[2] for name in render(system(hosts=AMBIENT))}
    file = {name.rpartition("/")[2] for name in render(system(hosts=one_host()))}

    assert {"permit-backup"} == {"permit-backup", "permit-restic"} & ambient
    assert {"permit-restic"} == {"permit-backup", "permit-restic"} & file


RIGHT = {"permit-backup", "permit-restic", "permit-probe", "restic-verify"}
"""What gives somebody a right: scripts, and the rules of sudo."""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ({}, {"permit-restic"}),
        ({"become": ["sudo", "-n"]}, {"permit-restic"}),
        ({"become": PROBE}, {"permit-restic", "permit-probe", "restic-verify"}),
        ({"capability": "ambient"}, {"permit-backup", "restic-verify"}),
        ({"capability": "ambient", "become": PROBE}, RIGHT - {"permit-restic"}),
        ({"user": "root"}, set()),
        ({"user": "root", "capability": "ambient"}, set()),
        ({"user": "root", "become": PROBE}, {"permit-probe"}),
    ],
    ids=[
        "plain",
        "become",
        "become-probe",
        "ambient",
        "ambient-probe",
        "root",
        "root-ambient",
        "root-probe",
    ],
)
def test_nobody_is_given_a_right_that_is_not_asked_for(
    host: dict[str, Any], expected: set[str]
) -> None:
    """By `permit-probe` its user reads every file, and root needs no right at all."""
    files = render(system(hosts=one_host(**host)))
    rules = files.get("hosts/web1/etc/sudoers.d/restic-verify")

    assert expected == RIGHT & {name.rpartition("/")[2] for name in files}
    assert ("permit-probe" in expected and "user" not in host) is (
        rules is not None and "permit-probe" in rules.text
    )


def test_root_is_locked_out_of_nothing() -> None:
    """Its terminal, its password and its restic stay; and it starts its backup by itself."""
    for capability in ("file", "ambient"):
        host = one_host(user="root", capability=capability)
        files = {name.rpartition("/")[2]: it.text for name, it in render(system(hosts=host)).items()
                 if name.startswith("hosts/")}  # fmt: skip
        assert "Port 50000\nAcceptEnv RESTIC_PASSWORD\n" in files["50-restic.conf"]
        assert not any("Match" in text or "sudo" in text for text in files.values())
    usual = render(system(hosts=one_host()))["hosts/web1/etc/ssh/sshd_config.d/50-restic.conf"]
    assert "Match User restic\n" in usual.text


@pytest.mark.parametrize(
    ("coordinator", "expected"),
    [({}, "root:restic"), ({"user": "keeper"}, "root:keeper"), ({"group": "backup"}, "root:backup"),
     ({"user": "root"}, "")],
)  # fmt: skip
def test_on_this_machine_restic_is_given_to_who_runs_it(
    coordinator: dict[str, str], expected: str
) -> None:
    files = render(
        system(hosts=one_host(address="local"), coordinator={"name": "jak", **coordinator})
    )
    permit = files.get("hosts/web1/usr/local/sbin/permit-restic")

    assert bool(expected) is (permit is not None)
    assert permit is None or f"chown {expected} " in permit.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a right on")
def test_the_backup_may_read_everything_and_nothing_more(tmp_path: Path) -> None:
    """`sudo` hands the script on to root; what root starts has the user's name and one right."""
    install(render(system(hosts=AMBIENT)), tmp_path)
    secret, shut = tmp_path / "secret", tmp_path / "shut"
    secret.write_text("secret")
    secret.chmod(0o600)
    shut.mkdir(mode=0o700)
    script = tmp_path / "script"
    script.write_text(
        f'#!/bin/sh\ncat {secret}; id -u; echo "$1 $HOME $RESTIC_PASSWORD"; '
        f"touch {shut}/new && echo written\nexit 3\n"
    )
    script.chmod(0o755)
    permit = tmp_path / PERMIT
    permit.write_text(permit.read_text().replace("/usr/local/bin/backup-restic", str(script)))
    done = subprocess.run(
        [str(permit)],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "RESTIC_PASSWORD": "word"},
        cwd="/",
    )

    home = ask("sh", "-c", "getent passwd nobody | cut -d: -f6")
    assert (3, f"secret65534\npermitted {home} word\n") == (done.returncode, done.stdout)


@pytest.mark.skipif(shutil.which("visudo") is None, reason="needs sudo")
def test_sudo_takes_both_rules(tmp_path: Path) -> None:
    install(render(system(hosts=AMBIENT)), tmp_path)
    rules = tmp_path / "hosts/web1/etc/sudoers.d/restic-verify"

    assert 'permit-backup ""' in rules.read_text()
    ask("visudo", "-c", "-f", str(rules))


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_becomes_a_setting(tmp_path: Path, value: str) -> None:
    """Every unit has the same keys in the same order, whatever the paths are."""
    location = {"location": f"/r/{value}", "password-file": f"/p/{value}"}
    monthly = {"ledger": f"/l/{value}/l", "scratch": f"/s/{value}/s"}

    def keys(config: Config) -> dict[str, list[str]]:
        return {
            name: [line.partition("=")[0] for line in file.text.splitlines()]
            for name, file in render(config).items()
            if name.endswith((".service", ".timer"))
        }

    plain = system(
        repository={"location": "/r/x", "password-file": "/p"},
        monthly={"ledger": "/l/x/l", "scratch": "/s/x/s"},
    )
    assert keys(plain) == keys(system(repository=location, monthly=monthly))
