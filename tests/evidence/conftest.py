"""Keys as openssl makes them, and a chain of signed reports to tamper with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evidence.chain import Chain, Keys
from tests.monitor import envelopes
from verifier.monitor.evidence.sign import signed


def openssl(*line: str | Path) -> bytes:
    """Run openssl to its end and return what it printed."""
    return subprocess.run(["openssl", *line], check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def make_keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Keys]:
    """Return a function that makes a pair of keys."""

    def make() -> Keys:
        folder = tmp_path_factory.mktemp("keys")
        keys = Keys(folder / "evidence.pem", folder / "evidence.pub.pem")
        openssl("genpkey", "-algorithm", "ed25519", "-out", keys.private)
        openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
        return keys

    return make


@pytest.fixture(scope="session")
def keys(make_keys: Callable[[], Keys]) -> Keys:
    """A pair of keys."""
    return make_keys()


@pytest.fixture(scope="session")
def other_keys(make_keys: Callable[[], Keys]) -> Keys:
    """A pair that nobody trusts."""
    return make_keys()


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
