"""`report verify` as a user runs it: verdicts, anchors, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import console
from tests.evidence.chain import Chain, Keys
from tests.monitor import envelopes
from verifier.monitor.evidence.sign import signed


@pytest.fixture
def chain(keys: Keys, tmp_path: Path) -> Chain:
    """Three signed reports."""
    for corrupted in (0, 2, 0):
        signed(envelopes.drilled(corrupted=corrupted), keys.private, tmp_path / "evidence")
    return Chain(tmp_path / "evidence", keys)


def _verify(chain: Chain, *more: str) -> tuple[int, dict[str, object], list[str]]:
    line = ("report", "verify", str(chain.folder), "--key", str(chain.keys.public), "--json")
    ended = console.run(*line, *more)
    report = console.report(ended.stdout)
    return ended.returncode, report, [finding["kind"] for finding in report["findings"]]


def test_anchored_chain_is_ok(chain: Chain) -> None:
    status, report, kinds = _verify(chain, "--last", chain.sha256(3).upper())

    assert (0, "OK", []) == (status, report["verdict"], kinds)
    assert {"checked": 3, "total": 3, "skipped": {}, "unit": "signed reports"} == report["coverage"]
    assert ["OK", "CRITICAL", "OK"] == [one["verdict"] for one in report["evidence"]["reports"]]


def test_chain_without_an_anchor_is_a_warning(chain: Chain) -> None:
    status, _, kinds = _verify(chain)

    assert (1, ["unanchored"]) == (status, kinds)


def test_end_that_is_missing_is_critical(chain: Chain) -> None:
    last = chain.sha256(3)
    chain.files[2].unlink()
    status, _, kinds = _verify(chain, "--last", last)

    assert (2, ["evidence-broken"]) == (status, kinds)


def test_empty_folder_is_unknown(chain: Chain) -> None:
    for file in chain.files:
        file.unlink()
    status, _, kinds = _verify(chain)

    assert (3, ["empty"]) == (status, kinds)


def test_text_says_which_report_is_broken(chain: Chain) -> None:
    chain.files[1].write_bytes(chain.files[1].read_bytes().replace(b"A", b"B", 1))
    line = ("report", "verify", str(chain.folder), "--key", str(chain.keys.public))
    ended = console.run(*line, "--last", chain.sha256(3))
    text = ended.stdout.decode()

    assert text.startswith("CRITICAL: evidence-broken 1; 2 of 3 signed reports hold")
    assert ["2", "BROKEN"] == next(
        [words[0], words[-2]] for words in map(str.split, text.splitlines()) if "BROKEN" in words
    )


def test_files_by_themselves_are_looked_at(chain: Chain) -> None:
    files = [str(file) for file in chain.files[1:]]
    ended = console.run("report", "verify", *files, "--key", str(chain.keys.public))

    assert (0, b"") == (ended.returncode, ended.stderr)
    assert b"OK: 2 of 2 signed reports hold, each by itself" in ended.stdout


def test_configuration_names_the_folder(chain: Chain, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"
    table = f'\n[evidence]\nkey = "{chain.keys.private}"\nfolder = "{chain.folder}"\n'
    (tmp_path / "verify.toml").write_text(example.read_text() + table)
    line = ("report", "verify", "--key", str(chain.keys.public), "--last", chain.sha256(3))
    with_table = console.run(*line, cwd=tmp_path)
    (tmp_path / "verify.toml").write_text(example.read_text())
    without = console.run(*line, cwd=tmp_path)

    assert (0, 64) == (with_table.returncode, without.returncode)
    assert b"has no table [evidence]" in without.stderr


REFUSED: dict[str, tuple[Callable[[Chain], list[str]], int, str]] = {
    "no-key": (lambda c: [str(c.folder)], 64, "--key"),
    "private-key": (
        lambda c: [str(c.folder), "--key", str(c.keys.private)],
        3,
        "holds a private key; a public one is wanted",
    ),
    "no-such-key": (lambda c: [str(c.folder), "--key", "absent"], 3, "absent: the public key"),
    "no-such-folder": (
        lambda c: [f"{c.folder}x", "--key", str(c.keys.public)],
        3,
        "is not there",
    ),
    "no-digest": (
        lambda c: [str(c.folder), "--key", str(c.keys.public), "--last", "abc"],
        64,
        "'abc' is no SHA-256",
    ),
    "folder-and-file": (
        lambda c: [str(c.folder), str(c.files[0]), "--key", str(c.keys.public)],
        64,
        "a folder and files are named",
    ),
    "two-folders": (
        lambda c: [str(c.folder), str(c.folder.parent), "--key", str(c.keys.public)],
        64,
        "several folders are named",
    ),
    "files-and-last": (
        lambda c: [str(c.files[0]), "--key", str(c.keys.public), "--last", "00" * 32],
        64,
        "their chain is not looked at",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_obeyed_is_said(name: str, chain: Chain) -> None:
    line, status, said = REFUSED[name]
    ended = console.run("report", "verify", *line(chain))

    assert (status, b"") == (ended.returncode, ended.stdout)
    assert said in ended.stderr.decode()
