"""A key file that is locked is away, and is the same again afterwards."""

from __future__ import annotations

from pathlib import Path

from verifier.simulate.faults_key import lock_key, unlock_key


def test_locked_key_is_away_and_comes_back(tmp_path: Path) -> None:
    key = tmp_path / "password"
    key.touch(mode=0o600)
    key.write_text("secret")
    unlock_key(key)
    before = key.stat()
    lock_key(key)
    lock_key(key)
    locked = key.exists()
    unlock_key(key)

    assert not locked
    assert ("secret", before) == (key.read_text(), key.stat())
    assert [key] == list(tmp_path.iterdir())
