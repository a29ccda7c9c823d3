"""What runs beside a block runs in it, and has ended when it is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from verifier.core.host import Command
from verifier.fleet.background import beside

SERVER = 'exec >"$0"; echo up; exec sleep 60'


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_server_ends_with_the_block(tmp_path: Path, error: type[BaseException] | None) -> None:
    """Only who holds a pipe's other end open keeps it from ending."""
    os.mkfifo(pipe := tmp_path / "pipe")
    said = []
    try:
        with beside(Command(("sh", "-c", SERVER, str(pipe)))), pipe.open("rb") as output:
            said.append(output.readline())
            end = os.dup(output.fileno())
            if error:
                raise error
    except KeyboardInterrupt:
        pass

    assert [b"up\n", b""] == [*said, os.read(end, 1)]
    os.close(end)


def test_server_that_cannot_be_started_is_not_there() -> None:
    with beside(Command(("/nonexistent",))):
        pass
