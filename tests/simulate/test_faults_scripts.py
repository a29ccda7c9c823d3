"""A fault in a script does what it says when the script runs, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulate.lab import program
from tests.simulate.systems import config
from verifier.core.host import Command
from verifier.cycle.render import render
from verifier.fleet.local import LocalHost
from verifier.simulate.faults_scripts import add_exclude, rename_host

HOST = {"name": "web1", "include": ["/srv"], "exclude": ["*.log"], "one-file-system": True}


@pytest.fixture
def script() -> str:
    return render(config(hosts=[HOST]))["hosts/web1/usr/local/bin/backup-restic"].text


def told(folder: Path, script: str) -> list[str]:
    """Run a script, and return what its restic was told."""
    program(folder, "restic", 'printf "%s\\n" "$@"')
    own = program(folder, "backup-restic", script)
    env = {"PATH": f"{folder}:{os.defpath}", "RESTIC_PASSWORD": "x"}
    return LocalHost().run(Command((own,), env=env)).stdout.decode().splitlines()


def test_exclude_is_added(tmp_path: Path, script: str) -> None:
    before, after = told(tmp_path, script), told(tmp_path, add_exclude(script, "/srv/it's *"))

    assert ["--exclude=/srv/it's *"] == [word for word in after if word not in before]
    assert before == [word for word in after if word != "--exclude=/srv/it's *"]


def test_host_is_renamed_and_renamed_again(tmp_path: Path, script: str) -> None:
    before, after = told(tmp_path, script), told(tmp_path, rename_host(script, "web2"))

    assert "--host=web1" in before
    assert [word.replace("web1", "web2") for word in before] == after
    assert rename_host(script, "web3") == rename_host(rename_host(script, "web2"), "web3")
