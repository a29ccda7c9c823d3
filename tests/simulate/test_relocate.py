"""What a simulated cycle leaves of production's configuration."""

from __future__ import annotations

from pathlib import Path

from tests.simulate.systems import config
from verifier.cycle.render import render
from verifier.simulate.worlds.relocate import relocate

HOST = {"name": "web1", "include": ["/srv"], "manifest": "/srv/manifest"}


def test_simulated_backup_names_no_file_of_this_machine(tmp_path: Path) -> None:
    """A manifest below an include is no path of its own, and was one once its include had moved."""
    production = config(hosts=[HOST])
    script = "hosts/web1/usr/local/bin/backup-restic"

    assert "restic-manifest" in render(production)[script].text
    assert "manifest" not in render(relocate(production, tmp_path))[script].text


def test_password_comes_from_a_command_where_production_has_it_from_one(tmp_path: Path) -> None:
    script = "coordinator/usr/local/bin/run-backups"
    places = {"file": {"password-file": "/p"}, "command": {"password-command": "pass show x"}}

    for kind, password in places.items():
        production = config(repository={"location": "/r", **password})
        text = render(relocate(production, tmp_path))[script].text
        assert (kind == "command") is (f" cat {tmp_path}/keys/password <" in text)
        assert (kind == "file") is (f"key_file={tmp_path}/keys/password\n" in text)
