"""The steps of the Vagrantfile by themselves: what can be run anywhere, is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import HOSTS, STEPS
from tests.servers.machines import ROOT
from verifier.config.load import load
from verifier.cycle.render import render

SCRIPTS = sorted(STEPS.glob("*.sh"))
VAGRANTFILE = ROOT / "Vagrantfile"


def ended(*command: str | Path, **env: str) -> tuple[int, str]:
    """Return the status of a command and what it said."""
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **env}, cwd=ROOT
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_step_is_sound(script: Path) -> None:
    assert (0, "") == ended("bash", "-n", script)
    assert (0, "") == ended("shellcheck", script)
    assert "set -euo pipefail" in script.read_text()
    assert os.access(script, os.X_OK)


def test_a_slip_in_a_step_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "x.sh").write_text(SCRIPTS[0].read_text() + "rm -r $1\n")

    assert 0 != ended("shellcheck", tmp_path / "x.sh")[0]


def test_every_step_is_taken_and_every_step_that_is_taken_is_there() -> None:
    text = VAGRANTFILE.read_text()
    taken = set(re.findall(r"\['(\w+)', \[", text)) | {"keys"}

    assert {script.stem for script in SCRIPTS} == taken


@pytest.mark.skipif(
    shutil.which("ruby") is None, reason="needs ruby (ci/test installs it for root)"
)
def test_the_vagrantfile_is_ruby(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text(VAGRANTFILE.read_text().removesuffix("end\n"))

    assert (0, "Syntax OK\n") == ended("ruby", "-wc", VAGRANTFILE)
    assert 0 != ended("ruby", "-wc", tmp_path / "broken")[0]


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("vagrant") is None, reason="needs vagrant, which is not small")
def test_vagrant_takes_the_vagrantfile(tmp_path: Path) -> None:
    shutil.copytree(STEPS, tmp_path / "fixtures/vagrant")
    places = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_CWD": str(tmp_path)}

    def validate(text: str) -> tuple[int, str]:
        (tmp_path / "Vagrantfile").write_text(text)
        return ended("vagrant", "validate", "--ignore-provider", **places)

    status, said = validate(VAGRANTFILE.read_text())
    assert (0, True) == (status, "validated successfully" in said)
    assert 0 != validate(VAGRANTFILE.read_text().replace("vm.hostname", "vm.hostnam"))[0]


def test_the_lab_is_one_configuration() -> None:
    """The names of the Vagrantfile, of the steps and of what is rendered are the same."""
    config = load(STEPS / "verify.toml", {})
    files = render(config)
    names = re.findall(r"'(\w+)' => '192\.168", VAGRANTFILE.read_text())

    assert [config.coordinator.name, *(host.name for host in config.hosts)] == names
    assert ["jak", *HOSTS] == names
    assert {"file", "ambient"} == {host.capability for host in config.hosts}
    assert "hosts/db1/etc/systemd/system/mnt-jak-restic.automount" in files
    assert "mnt-jak-restic.automount" in (STEPS / "start.sh").read_text()
    timers = {name.rpartition("/")[2] for name in files if name.endswith(".timer")}
    started = re.search(r"timers=\(([^)]*)\)", (STEPS / "start.sh").read_text())
    assert started is not None
    assert {f"{timer}.timer" for timer in started[1].split()} == timers


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    def make() -> dict[str, str]:
        assert (0, "") == ended(STEPS / "keys.sh", tmp_path / "lab", *HOSTS)
        return {path.name: path.read_text() for path in (tmp_path / "lab").iterdir()}

    first = make()
    key = first["host-web1.pub"].split()[1]

    assert first == make()
    assert {0o600} == {
        path.stat().st_mode & 0o777
        for path in (tmp_path / "lab").iterdir()
        if path.suffix != ".pub"
    }
    assert f"[web1]:50000 ssh-ed25519 {key}\n" in first["known_hosts"]
    assert 2 == len(first["known_hosts"].splitlines())
    assert first["password"] != first["passphrase"]
    assert 49 == len(first["password"])


def test_names_stand_in_hosts_once(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.2.1 jak jak\n10.0.0.1 web1.example jak-2\n")
    for address in ("192.168.56.9", "192.168.56.10"):
        assert (0, "") == ended(STEPS / "names.sh", hosts, f"jak={address}", "web1=192.168.56.11")

    assert [
        "127.0.0.1 localhost", "10.0.0.1 web1.example jak-2",
        "192.168.56.10 jak", "192.168.56.11 web1",
    ] == hosts.read_text().splitlines()  # fmt: skip
    assert [hosts] == list(tmp_path.iterdir())


def test_contrib_is_added_to_either_form_of_sources_once(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    one, other, third = tmp_path / "sources.list", folder / "a.list", folder / "a.sources"
    one.write_text("# deb x main\ndeb x bookworm main\ndeb-src x bookworm main\n")
    other.write_text("deb [signed-by=/k] x bookworm main non-free-firmware\n")
    third.write_text("Types: deb\nComponents: main\n")
    for _ in range(2):
        assert (0, "") == ended(STEPS / "contrib.sh", tmp_path)

    assert "# deb x main\ndeb x bookworm main contrib\ndeb-src x bookworm main\n" == one.read_text()
    assert "deb [signed-by=/k] x bookworm main contrib non-free-firmware\n" == other.read_text()
    assert "Types: deb\nComponents: main contrib\n" == third.read_text()


LSBLK = r"""
case "$*" in
  "-dnpo NAME,TYPE") printf '/dev/%s disk\n' vda vdb vdc vdd vde vdf; echo '/dev/sr0 rom';;
  "-no FSTYPE,MOUNTPOINT -- /dev/vda") echo 'ext4 /';;
  "-no NAME -- /dev/vdf") printf 'vdf\n`-vdf1\n';;
  "-no FSTYPE,MOUNTPOINT -- "*) echo;;
  "-no NAME -- "*) echo vdx;;
esac
"""
ZPOOL = 'echo "zpool $*" >>"$LOG"; [[ $1 != list || -n ${POOL-} ]]'
ZFS = r"""
echo "zfs $*" >>"$LOG"
[ -t 0 ] || [[ "$*" != *load-key* && "$*" != *keyformat* ]] || echo "< $(cat)" >>"$LOG"
[[ $1 != get ]] || echo "${KEY-available}"
[[ $1 != list || -n ${POOL-} ]]
"""


def disks(folder: Path, **env: str) -> tuple[int, list[str]]:
    """Run the step of the disks where `zpool` and `zfs` only write down what they are told."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, body in (("lsblk", LSBLK), ("zpool", ZPOOL), ("zfs", ZFS)):
        (programs / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (programs / name).chmod(0o755)
    (folder / "phrase").write_text("open sesame\n")
    path = f"{programs}:{os.environ['PATH']}"
    status, _ = ended(
        STEPS / "disks.sh", folder / "phrase", PATH=path, LOG=str(folder / "log"), **env
    )
    return status, (folder / "log").read_text().splitlines()


def test_disks_become_mirrored_pairs_and_the_key_is_encrypted(tmp_path: Path) -> None:
    """Neither the disk of the system is taken, nor one with a partition."""
    status, told = disks(tmp_path)

    assert 0 == status
    assert [
        "zpool list storage",
        "zpool create -o ashift=12 -O compression=lz4 -O atime=off -O mountpoint=none storage "
        "mirror /dev/vdb /dev/vdc mirror /dev/vdd /dev/vde",
        "zfs list storage/restic", "zfs create -o mountpoint=/mnt/storage storage/restic",
        "zfs list storage/offsite", "zfs create -o mountpoint=/mnt/offsite storage/offsite",
        "zfs list storage/keys",
        "zfs create -o mountpoint=/mnt/keys -o encryption=aes-256-gcm -o keyformat=passphrase "
        "-o keylocation=prompt storage/keys",
        "< open sesame", "zfs get -H -o value keystatus storage/keys",
    ] == told  # fmt: skip


def test_a_pool_that_is_there_is_only_unlocked(tmp_path: Path) -> None:
    _, told = disks(tmp_path, POOL="yes", KEY="unavailable")

    assert not any("create" in line for line in told)
    assert ["zfs load-key storage/keys", "< open sesame", "zfs mount storage/keys"] == told[-3:]


def test_too_few_disks_are_said(tmp_path: Path) -> None:
    disks(tmp_path)
    (tmp_path / "bin/lsblk").write_text("#!/bin/sh\nexit 0\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    status, said = ended(
        STEPS / "disks.sh", tmp_path / "phrase", PATH=path, LOG=str(tmp_path / "log")
    )

    assert 1 == status
    assert "0 empty disks, and 4 are needed" in said


@pytest.mark.parametrize(("step", "line"), [("packages", ["jak2"]), ("start", ["web1"])])
def test_a_role_that_is_none_is_refused(step: str, line: list[str]) -> None:
    status, said = ended(STEPS / f"{step}.sh", *line)

    assert 64 == status
    assert "neither jak nor host" in said
