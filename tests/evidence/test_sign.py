"""What is signed: the report, what it is about by digest, and its place; and keys that cannot."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.chain import Chain, Keys, openssl, statement_of
from tests.monitor import envelopes
from verifier.config.monitor import Evidence
from verifier.core.errors import CannotVerify, ToolMissing
from verifier.core.finding import Finding
from verifier.monitor.evidence.keys import public_key
from verifier.monitor.evidence.sign import Signed, sign, signed
from verifier.monitor.render.json import render_json

SNAPSHOT = "4bba301e" * 8
REPOSITORY = "ab" * 32


def _compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def test_untouched_chain_is_whole(chain: Chain) -> None:
    verified = chain.verify()

    assert () == verified.findings
    assert (5, 5, True) == (verified.total, verified.anchored, verified.whole)
    assert all(one.holds for one in verified.reports)


def test_first_follows_nothing_and_each_names_the_one_before(chain: Chain) -> None:
    places = [
        (p["predicate"]["sequence"], p["predicate"]["previous"])
        for p in map(statement_of, chain.files)
    ]

    assert [(1, None), *((n + 1, chain.sha256(n)) for n in range(1, 5))] == places


def test_statement_is_about_repository_snapshots_and_report(keys: Keys, tmp_path: Path) -> None:
    envelope: dict[str, Any] = envelopes.drilled()
    envelope["inputs"]["repository_id"] = REPOSITORY
    made = signed(envelope, keys.private, tmp_path)
    statement = statement_of(Path(made.file))

    report = json.loads(render_json(envelope))
    assert "https://in-toto.io/Statement/v1" == statement["_type"]
    assert report == statement["predicate"]["report"]
    assert [
        {"name": "report", "digest": {"sha256": hashlib.sha256(_compact(report)).hexdigest()}},
        {"name": "repository", "digest": {"resticRepositoryId": REPOSITORY}},
        {"name": "snapshot of web1: 4bba301e", "digest": {"sha256": SNAPSHOT}},
    ] == statement["subject"]


def test_report_of_a_failure_is_about_itself(chain: Chain) -> None:
    assert ["report"] == [subject["name"] for subject in chain.payload(3)["subject"]]


def test_what_json_has_no_word_for_is_signed_as_it_is_printed(keys: Keys, tmp_path: Path) -> None:
    envelope = envelopes.envelope("drill", {}, measurements={"rate": float("nan")})
    made = signed(envelope, keys.private, tmp_path)

    assert statement_of(Path(made.file))["predicate"]["report"]["measurements"] == {"rate": None}
    assert () == Chain(tmp_path, keys).verify().findings


def test_signed_report_is_told_where_it_stands(keys: Keys, tmp_path: Path) -> None:
    table = Evidence.model_validate({"key": str(keys.private), "folder": str(tmp_path / "new")})
    made = sign(envelopes.drilled(), table)

    assert isinstance(made, Signed)
    content = (tmp_path / "new" / "00000001-monthly.dsse.json").read_bytes()
    assert {
        "number": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "file": str(tmp_path / "new" / "00000001-monthly.dsse.json"),
        "key": public_key(keys.public).keyid,
    } == made.section()


def test_folder_that_is_made_is_closed_to_others(keys: Keys, tmp_path: Path) -> None:
    signed(envelopes.drilled(), keys.private, tmp_path / "a" / "b")

    assert 0o700 == (tmp_path / "a" / "b").stat().st_mode & 0o777


def test_other_files_in_the_folder_are_passed_over(chain: Chain) -> None:
    (chain.folder / "README").write_text("")
    (chain.folder / "00000009-monthly.dsse.json.bak").write_text("")
    made = signed(envelopes.drilled(), chain.keys.private, chain.folder)

    assert 6 == made.number
    assert () == chain.verify().findings


def _spoilt(tmp_path: Path, keys: Keys) -> dict[str, Path]:
    files = {name: tmp_path / name for name in ("rsa", "ec", "locked", "empty", "folder", "fifo")}
    openssl(
        "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", files["rsa"]
    )
    curve = "ec_paramgen_curve:P-256"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", files["ec"])
    locked = ("-aes256", "-passout", "pass:x", "-out", files["locked"])
    openssl("pkey", "-in", keys.private, *locked)
    files["empty"].touch(mode=0o600)
    files["folder"].mkdir()
    os.mkfifo(files["fifo"], mode=0o600)
    public = tmp_path / "public"
    public.write_bytes(keys.public.read_bytes())
    public.chmod(0o600)
    return {**files, "public": public, "absent": tmp_path / "absent"}


WRONG = {
    "rsa": "holds a key of another kind (RSA), not ed25519",
    "ec": "holds a key of another kind (EC), not ed25519",
    "locked": "the key is locked by a passphrase",
    "empty": "holds no private key in PEM",
    "public": "holds no private key in PEM",
    "folder": "the key cannot be read: Is a directory",
    "fifo": "is no file",
    "absent": "the key cannot be read: No such file or directory",
}


def test_key_that_cannot_be_used_is_told_and_nothing_is_written(keys: Keys, tmp_path: Path) -> None:
    found = {}
    for name, path in _spoilt(tmp_path, keys).items():
        table = Evidence.model_validate({"key": str(path), "folder": str(tmp_path / "evidence")})
        finding = sign(envelopes.drilled(), table)
        assert isinstance(finding, Finding), name
        assert ("not-signed", "WARNING", str(path)) == (
            finding.kind,
            finding.severity.name,
            finding.subject,
        )
        found[name] = finding.detail

    assert {name: f"the report is not signed: {said}" for name, said in WRONG.items()} == {
        name: detail.partition(";")[0] for name, detail in found.items()
    }
    assert "genpkey -algorithm ed25519" in found["rsa"]
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize(
    ("mode", "good"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)]
)
def test_key_that_others_can_read_is_refused(
    keys: Keys, tmp_path: Path, mode: int, good: bool
) -> None:
    key = tmp_path / "key"
    key.write_bytes(keys.private.read_bytes())
    key.chmod(mode)
    table = Evidence.model_validate({"key": str(key), "folder": str(tmp_path / "evidence")})
    made = sign(envelopes.drilled(), table)

    assert good is isinstance(made, Signed)
    assert good or f"(mode {mode:04o})" in made.detail  # type: ignore[union-attr]


def test_folder_that_cannot_be_written_is_told(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    table = Evidence.model_validate({"key": str(keys.private), "folder": str(tmp_path / "file")})
    made = sign(envelopes.drilled(), table)

    assert isinstance(made, Finding)
    assert "no signed report can be written there" in made.detail


def test_public_key_is_told_from_a_private_one(keys: Keys) -> None:
    with pytest.raises(CannotVerify, match="a public one is wanted"):
        public_key(keys.private)


def test_library_that_is_not_installed_is_told(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    table = Evidence.model_validate({"key": str(keys.private), "folder": str(tmp_path / "new")})
    made = sign(envelopes.drilled(), table)

    assert isinstance(made, Finding)
    assert "pip install '.[evidence]'" in made.detail
    with pytest.raises(ToolMissing):
        public_key(keys.public)
