"""The folders that commands make for themselves."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from verifier.cli.folders import work_folder
from verifier.drill.scratch import scratch


def test_drill_beside_a_simulation_leaves_its_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in one temporary folder; seen red with the drill's own prefix for both."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with work_folder() as work, scratch(tmp_path):
        assert work.is_dir()
