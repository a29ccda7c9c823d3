"""A clock page that shows an instant years ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clock.lab import AT
from tests.servers.sshd import ssh_path, sshd
from verifier.clock.page import ClockPage

__all__ = ["page", "ssh_path", "sshd"]


@pytest.fixture
def page(tmp_path: Path) -> ClockPage:
    made = ClockPage.create(tmp_path / "clock-page")
    made.set(AT)
    return made
