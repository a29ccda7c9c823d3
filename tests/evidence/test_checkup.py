"""What doctor asks about signed reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evidence.chain import Chain, Keys
from verifier.config.monitor import Evidence
from verifier.core.checkup import examine
from verifier.monitor.evidence.checkup import evidence


def _asked(key: Path, folder: Path) -> dict[str, tuple[str, str]]:
    table = Evidence.model_validate({"key": str(key), "folder": str(folder)})
    return {check.name: (check.status, check.seen.saw) for check in examine(evidence(table))}


def test_what_would_be_signed_is_fine(chain: Chain, tmp_path: Path) -> None:
    assert "ok" == _asked(chain.keys.private, chain.folder)["key"][0]
    assert ("ok", f"{chain.folder} holds 5") == _asked(chain.keys.private, chain.folder)["folder"]
    # A folder that is not there yet is made when it is needed.
    assert "ok" == _asked(chain.keys.private, tmp_path / "a" / "b")["folder"][0]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_key_that_others_can_read_is_told(keys: Keys, tmp_path: Path, mode: int) -> None:
    key = tmp_path / "key"
    key.write_bytes(keys.private.read_bytes())
    key.chmod(mode)

    assert ("ok" if mode == 0o600 else "failed") == _asked(key, tmp_path)["key"][0]


def test_folder_that_cannot_be_written_is_told(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "failed" == _asked(keys.private, tmp_path / "file")["folder"][0]
    assert "failed" == _asked(keys.private, tmp_path / "file" / "below")["folder"][0]


def test_without_a_table_nothing_is_asked() -> None:
    assert ["skipped"] == [check.status for check in examine(evidence(None))]
