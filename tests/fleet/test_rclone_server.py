"""The rclone that the extra `fleet` brings."""

from __future__ import annotations

import subprocess

import pytest

from verifier.core.errors import ToolMissing
from verifier.fleet import rclone_server
from verifier.fleet.rclone_server import find_server


def test_program_serves_s3_and_asks_for_a_key() -> None:
    shown = subprocess.run(
        (find_server(), "serve", "s3", "--help"), capture_output=True, check=True
    )

    assert b"--auth-key" in shown.stdout


def test_missing_package_names_the_extra_and_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rclone_server, "PACKAGE", "no-such-package")
    with pytest.raises(ToolMissing) as caught:
        find_server()

    assert "no-such-package" in caught.value.message
    assert "`fleet`" in caught.value.remedy
    assert "--fidelity cycle" in caught.value.remedy
