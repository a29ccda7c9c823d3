"""Writers that are killed, and several at once: the chain is whole in any case."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evidence.chain import Chain, Keys
from tests.house.tree import ROOT
from tests.monitor import envelopes
from verifier.core.errors import CannotVerify
from verifier.monitor.evidence import folder
from verifier.monitor.evidence.sign import signed


def _writer(chain: Chain, count: int, point: str = "") -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", "tests.evidence.writer", chain.keys.private, chain.folder]
    return subprocess.Popen([*line, str(count), *([point] if point else [])], cwd=ROOT)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("point", "kept"), [("before-write", 5), ("before-name", 5), ("after-name", 6)]
)
def test_killed_writer_leaves_a_whole_chain(chain: Chain, point: str, kept: int) -> None:
    """Killed at each point between which the disk differs; the next writer goes on from there."""
    ended = _writer(chain, 1, point).wait(60)
    after = len(chain.files)
    verified = chain.verify()
    signed(envelopes.drilled(), chain.keys.private, chain.folder)

    assert (-signal.SIGKILL, kept, ()) == (ended, after, verified.findings)
    assert () == chain.verify().findings
    assert kept + 1 == len(chain.files)
    assert {".lock", *(file.name for file in chain.files)} == {
        path.name for path in chain.folder.iterdir()
    }


@pytest.mark.heavy
def test_several_writers_make_one_chain(keys: Keys, tmp_path: Path) -> None:
    """Three processes sign twelve reports each into one folder, which none of them has made."""
    chain = Chain(tmp_path / "new" / "evidence", keys)
    writers = [_writer(chain, 12) for _ in range(3)]

    assert [0, 0, 0] == [writer.wait(120) for writer in writers]
    assert () == chain.verify().findings
    assert 36 == len(chain.files)


def test_writer_that_does_not_end_is_told(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "WAIT_S", 0.0)
    with (chain.folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CannotVerify, match="another process has been signing"):
            signed(envelopes.drilled(), chain.keys.private, chain.folder)
    signed(envelopes.drilled(), chain.keys.private, chain.folder)

    assert 6 == len(chain.files)
