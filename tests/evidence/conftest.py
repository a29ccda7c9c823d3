"""Keys as openssl makes them, and a chain of signed reports to tamper with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.evidence.chain import Chain, Keys, make_keys
from tests.monitor import envelopes
from verifier.monitor.evidence.sign import signed


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A pair of keys."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A pair that nobody trusts."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def _signed(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain") / "evidence"
    reports = [envelopes.drilled(), envelopes.drilled(corrupted=2), envelopes.failed()]
    for report in [*reports, envelopes.drilled(host=envelopes.HOSTILE), envelopes.drilled()]:
        signed(report, keys.private, folder)
    return folder


@pytest.fixture
def chain(_signed: Path, keys: Keys, tmp_path: Path) -> Chain:
    """A chain of five signed reports, of its own."""
    folder = tmp_path / "evidence"
    shutil.copytree(_signed, folder)
    return Chain(folder, keys)
