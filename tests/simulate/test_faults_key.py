"""A key file that is locked is away, and is the same again afterwards."""

from __future__ import annotations

import stat
from pathlib import Path

from pyfakefs.fake_filesystem import FakeFilesystem

from verifier.simulate.faults_key import lock_key, unlock_key

KEY = "/mnt/keys/restic/password"


def there(folder: str) -> set[str]:
    return {str(path) for path in Path(folder).rglob("*") if path.is_file()}


def facts(path: str) -> tuple[object, ...]:
    found = Path(path).stat()
    return Path(path).read_text(), found.st_mode, found.st_ino, found.st_mtime_ns


def test_locked_key_is_away_and_comes_back(fs: FakeFilesystem) -> None:
    """The key lies on a mount of its own, as production has it, and nothing else is touched."""
    fs.add_mount_point("/mnt/keys")
    fs.create_file(KEY, st_mode=stat.S_IFREG | 0o400, contents="secret")
    fs.create_file("/mnt/storage/restic/config")
    unlock_key(Path(KEY))
    before = facts(KEY)
    lock_key(Path(KEY))
    lock_key(Path(KEY))
    locked = Path(KEY).exists()
    unlock_key(Path(KEY))

    assert not locked
    assert before == facts(KEY)
    assert {KEY, "/mnt/storage/restic/config"} == there("/mnt")


def test_a_key_that_was_never_there_stays_away(fs: FakeFilesystem) -> None:
    fs.create_dir("/mnt/keys/restic")
    lock_key(Path(KEY))
    unlock_key(Path(KEY))

    assert set() == there("/mnt")
