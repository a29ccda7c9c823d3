"""The format is what the documents say: openssl and a few lines of Python verify it too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.evidence.chain import Chain

SCRIPT = Path(__file__).with_name("third_party.py")


def _verify(chain: Chain, files: list[Path]) -> tuple[int, list[str]]:
    # -I -S: neither this environment's packages nor the project can be imported.
    line = [sys.executable, "-I", "-S", SCRIPT, chain.keys.public, *files]
    ended = subprocess.run(line, check=False, capture_output=True, text=True)
    assert not ended.stderr
    return ended.returncode, ended.stdout.splitlines()


def test_whole_chain_is_verified_without_us(chain: Chain) -> None:
    expected = ["1 OK", "2 CRITICAL", "3 UNKNOWN", "4 OK", "5 OK", chain.sha256(5)]

    assert (0, expected) == _verify(chain, chain.files)


def test_flipped_bit_is_seen_without_us(chain: Chain) -> None:
    content = bytearray(chain.files[1].read_bytes())
    # Within the payload, at a digit whose neighbour is a digit of base64 as well.
    content[200] = ord("B") if content[200] == ord("A") else ord("A")
    chain.files[1].write_bytes(content)

    assert (1, f"{chain.files[1]}: the signature does not hold") == (
        (found := _verify(chain, chain.files))[0],
        found[1][-1],
    )


def test_missing_report_is_seen_without_us(chain: Chain) -> None:
    files = [chain.files[0], *chain.files[2:]]

    assert (1, f"{files[1]}: it is not number 2 of this chain") == (
        (found := _verify(chain, files))[0],
        found[1][-1],
    )
