"""A real drill with `[evidence]` signs what is about repository and snapshots as they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.drill.lab import HOST, PASSWORD, Lab
from tests.drill.test_command import configure
from tests.evidence.chain import Chain, Keys, make_keys, statement_of
from verifier.cli.main import main
from verifier.monitor.evidence.remembered import anchors
from verifier.monitor.history.memory import open_history

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A pair of keys."""
    return make_keys(tmp_path)


@pytest.fixture
def chain(lab: Lab, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Where the drill of a lab with one backup signs its reports."""
    lab.write(a=b"a")
    lab.backup()
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(lab.root / "cache"))
    monkeypatch.delenv("RESTIC_REPOSITORY", raising=False)
    monkeypatch.chdir(lab.root)
    configure(lab)
    chain = Chain(lab.root / "evidence", keys)
    with (lab.root / "verify.toml").open("a") as file:
        file.write(f'\n[evidence]\nkey = "{keys.private}"\nfolder = "{chain.folder}"\n')
    return chain


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command, `monthly` unless named, and return its status and its report."""

    def call(*line: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = main([*(line or ("monthly",)), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def test_statement_names_repository_and_snapshot_as_they_lie(
    chain: Chain, lab: Lab, run: Run
) -> None:
    """The digest of a snapshot is that of its file; and the report says where it stands."""
    status, report = run()
    statement = chain.payload(1)
    (snapshot,) = (lab.repository / "snapshots").iterdir()
    subjects = {one["name"]: one["digest"] for one in statement["subject"]}

    assert (0, "OK") == (status, report["verdict"])
    assert {"sha256": hashlib.sha256(snapshot.read_bytes()).hexdigest()} == subjects[
        f"snapshot of {HOST}: {snapshot.name[:8]}"
    ]
    assert {"resticRepositoryId": report["inputs"]["repository_id"]} == subjects["repository"]
    signed = report.pop("signed")
    assert (1, chain.sha256(1)) == (signed["number"], signed["sha256"])
    assert report == statement["predicate"]["report"]


@pytest.mark.heavy
def test_failed_drill_is_signed_and_the_chain_goes_on(chain: Chain, lab: Lab, run: Run) -> None:
    run()
    moved = lab.repository.rename(lab.root / "away")
    failed, _ = run()
    moved.rename(lab.repository)
    audited, _ = run("audit")
    with open_history(Path(f"{lab.ledger}.history")) as history:
        verified = chain.verify(anchors(history, chain.folder))

    assert (3, 0) == (failed, audited)
    assert ["monthly", "monthly", "audit"] == [
        statement_of(file)["predicate"]["report"]["kind"] for file in chain.files
    ]
    assert (3, (), 3) == (len(chain.files), verified.findings, verified.anchored)


@pytest.mark.heavy
@pytest.mark.parametrize(("mode", "expected"), [(0o600, []), (0o644, ["not-signed"])])
def test_key_that_cannot_be_used_changes_no_verdict(
    chain: Chain, run: Run, mode: int, expected: list[str]
) -> None:
    chain.keys.private.chmod(mode)
    status, report = run()

    assert (0, "OK") == (status, report["verdict"])
    assert expected == [finding["kind"] for finding in report["findings"]]
    assert (expected == []) is ("signed" in report)


@pytest.mark.heavy
def test_people_are_told_what_to_keep(
    chain: Chain, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["monthly", "--report", "out"])
    said = f"Signed: number 1, SHA-256 {chain.sha256(1)}"
    assert said in capsys.readouterr().out
    assert chain.sha256(1) in (lab.root / "out" / "index.html").read_text()
