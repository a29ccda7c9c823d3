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
