"""Every kind of tampering is found, and an untouched chain is not suspected."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence.chain import Chain, Keys, statement_of
from tests.monitor import envelopes
from verifier import __version__
from verifier.monitor.evidence.envelope import opened, sealed
from verifier.monitor.evidence.keys import private_key, public_key
from verifier.monitor.evidence.sign import signed
from verifier.monitor.evidence.statement import statement
from verifier.monitor.evidence.verify import Anchor, verify_files

LATER = "00000006-monthly.dsse.json"


def _rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    envelope = json.loads(file.read_bytes())
    change(envelope)
    file.write_bytes(json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode() + b"\n")


def _resign(chain: Chain, number: int, keys: Keys) -> None:
    """Put another report in the place of one, signed and chained as it was."""
    previous = chain.sha256(number - 1) if number > 1 else None
    payload = statement(envelopes.drilled(corrupted=0, host="other"), number, previous)
    chain.files[number - 1].write_bytes(sealed(payload, private_key(keys.private)))


def _first_removed(chain: Chain, _: Keys) -> None:
    chain.files[0].unlink()


def _middle_removed(chain: Chain, _: Keys) -> None:
    for file in chain.files[1:3]:
        file.unlink()


def _verdict_changed(chain: Chain, _: Keys) -> None:
    def change(envelope: dict[str, Any]) -> None:
        statement_ = json.loads(base64.b64decode(envelope["payload"]))
        statement_["predicate"]["report"]["verdict"] = "OK"
        envelope["payload"] = base64.b64encode(json.dumps(statement_).encode()).decode()

    _rewrite(chain.files[1], change)


def _exchanged(chain: Chain, _: Keys) -> None:
    second, third = chain.files[1].read_bytes(), chain.files[2].read_bytes()
    chain.files[1].write_bytes(third)
    chain.files[2].write_bytes(second)


def _older_put_in_its_place(chain: Chain, _: Keys) -> None:
    chain.files[1].write_bytes(chain.files[0].read_bytes())


def _number_claimed_twice(chain: Chain, _: Keys) -> None:
    (chain.folder / "00000002-drill.dsse.json").write_bytes(chain.files[1].read_bytes())


def _signed_by_another(chain: Chain, other: Keys) -> None:
    _resign(chain, 2, other)


def _another_claims_the_id_of_the_key(chain: Chain, other: Keys) -> None:
    keyid = json.loads(chain.files[1].read_bytes())["signatures"][0]["keyid"]
    _resign(chain, 2, other)
    _rewrite(chain.files[1], lambda envelope: envelope["signatures"][0].update(keyid=keyid))


def _replaced_by_who_has_the_key(chain: Chain, _: Keys) -> None:
    _resign(chain, 2, chain.keys)


def _cut_short(chain: Chain, _: Keys) -> None:
    content = chain.files[3].read_bytes()
    chain.files[3].write_bytes(content[: len(content) // 2])


def _emptied(chain: Chain, _: Keys) -> None:
    chain.files[3].write_bytes(b"")


def _made_a_folder(chain: Chain, _: Keys) -> None:
    chain.files[3].unlink()
    (chain.folder / "00000004-monthly.dsse.json").mkdir()


def _line_end_added(chain: Chain, _: Keys) -> None:
    chain.files[4].write_bytes(chain.files[4].read_bytes() + b"\n")


def _field_added(chain: Chain, _: Keys) -> None:
    _rewrite(chain.files[4], lambda envelope: envelope.update(note="all is well"))


def _signature_added(chain: Chain, _: Keys) -> None:
    _rewrite(chain.files[4], lambda envelope: envelope["signatures"].append({}))


def _signature_taken_away(chain: Chain, _: Keys) -> None:
    _rewrite(chain.files[4], lambda envelope: envelope["signatures"].clear())


def _type_changed(chain: Chain, _: Keys) -> None:
    _rewrite(chain.files[4], lambda envelope: envelope.update(payloadType="text/plain"))


def _spelled_in_another_base64(chain: Chain, _: Keys) -> None:
    def change(envelope: dict[str, Any]) -> None:
        sig = envelope["signatures"][0]
        sig["sig"] = sig["sig"].replace("+", "-").replace("/", "_")

    while not {*"+/"} & {*json.loads(chain.files[4].read_bytes())["signatures"][0]["sig"]}:
        chain.files[4].unlink()
        _ = signed(envelopes.drilled(host=f"h{chain.sha256(1)}"), chain.keys.private, chain.folder)
    _rewrite(chain.files[4], change)


def _holds_another_document(chain: Chain, _: Keys) -> None:
    payload = b'{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x"}'
    chain.files[4].write_bytes(sealed(payload, private_key(chain.keys.private)))


def _holds_no_report(chain: Chain, _: Keys) -> None:
    envelope = envelopes.drilled() | {"verdict": "FINE"}
    payload = statement(envelope, 5, chain.sha256(4))
    chain.files[4].write_bytes(sealed(payload, private_key(chain.keys.private)))


def _is_about_something_else(chain: Chain, _: Keys) -> None:
    payload = json.loads(statement(envelopes.drilled(), 5, chain.sha256(4)))
    payload["subject"][1]["digest"]["sha256"] = "00" * 32
    content = sealed(json.dumps(payload).encode(), private_key(chain.keys.private))
    chain.files[4].write_bytes(content)


def _begun_anew(chain: Chain, _: Keys) -> None:
    for file in chain.files:
        file.unlink()
    for _number in range(5):
        signed(envelopes.drilled(), chain.keys.private, chain.folder)


TAMPERINGS: dict[str, tuple[Callable[[Chain, Keys], None], list[tuple[str, str]]]] = {
    "first-removed": (_first_removed, [("number 1", "number 1 is missing from the chain")]),
    "middle-removed": (_middle_removed, [("number 2", "numbers 2 to 3 are missing")]),
    "verdict-changed": (_verdict_changed, [("00000002-monthly.dsse.json", "the signature does")]),
    "exchanged": (
        _exchanged,
        [
            ("00000002-monthly.dsse.json", "it is named number 2 and holds number 3"),
            ("00000003-monthly.dsse.json", "it is named number 3 and holds number 2"),
        ],
    ),
    "older-in-its-place": (
        _older_put_in_its_place,
        [("00000002-monthly.dsse.json", "it is named number 2 and holds number 1")],
    ),
    "claimed-twice": (_number_claimed_twice, [("number 2", "several files claim it")]),
    "another-key": (
        _signed_by_another,
        [("00000002-monthly.dsse.json", "signed by a key that was not given")],
    ),
    "another-key-same-id": (
        _another_claims_the_id_of_the_key,
        [("00000002-monthly.dsse.json", "the signature does not hold")],
    ),
    "same-key": (
        _replaced_by_who_has_the_key,
        [("00000003-monthly.dsse.json", "does not follow 00000002-monthly.dsse.json")],
    ),
    "cut-short": (_cut_short, [("00000004-monthly.dsse.json", "it is no JSON")]),
    "emptied": (_emptied, [("00000004-monthly.dsse.json", "it is no JSON")]),
    "a-folder": (_made_a_folder, [("00000004-monthly.dsse.json", "is no file")]),
    "line-end": (_line_end_added, [("00000005-monthly.dsse.json", "not spelled as it was")]),
    "field": (_field_added, [("00000005-monthly.dsse.json", "not spelled as it was")]),
    "second-signature": (
        _signature_added,
        [("00000005-monthly.dsse.json", "no DSSE envelope with one signature")],
    ),
    "no-signature": (
        _signature_taken_away,
        [("00000005-monthly.dsse.json", "no DSSE envelope with one signature")],
    ),
    "type": (_type_changed, [("00000005-monthly.dsse.json", "the payload is of another type")]),
    "base64": (_spelled_in_another_base64, [("00000005-monthly.dsse.json", "not spelled as it")]),
    "another-document": (_holds_another_document, [("00000005-monthly.dsse.json", "subject")]),
    "no-report": (
        _holds_no_report,
        [("00000005-monthly.dsse.json", "it is signed and holds no report: verdict: ")],
    ),
    "about-another": (
        _is_about_something_else,
        [("00000005-monthly.dsse.json", "it is not what the report is about")],
    ),
}
"""What is done to the chain, and what has to be found: subject, and a part of the detail."""


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_once_for_each_cause(name: str, chain: Chain, other_keys: Keys) -> None:
    tamper, expected = TAMPERINGS[name]
    before = chain.broken()
    tamper(chain, other_keys)
    found = chain.broken()

    assert [] == before
    assert [subject for subject, _ in expected] == [f.subject for f in found]
    for (_, part), finding in zip(expected, found, strict=True):
        assert part in finding.detail
        assert "CRITICAL" == finding.severity.name


def _anchor(chain: Chain, source: str) -> Anchor:
    return Anchor(chain.sha256(5), source, 5 if source == "the history" else None)


@pytest.mark.parametrize("source", ["--last", "the history"])
@pytest.mark.parametrize("kept", [4, 1, 0])
def test_end_cut_off_is_found_by_an_anchor(chain: Chain, source: str, kept: int) -> None:
    anchor = _anchor(chain, source)
    before = chain.broken([anchor])
    for file in chain.files[kept:]:
        file.unlink()
    found = chain.broken([anchor])

    assert [] == before
    assert 1 == len(found)
    assert "end is missing" in found[0].detail


@pytest.mark.parametrize("source", ["--last", "the history"])
def test_end_replaced_is_found_by_an_anchor(chain: Chain, source: str) -> None:
    anchor = _anchor(chain, source)
    _resign(chain, 5, chain.keys)

    assert [] == chain.broken([])
    assert ["replaced" in f.detail for f in chain.broken([anchor])] == [True]


@pytest.mark.parametrize("source", ["--last", "the history"])
def test_chain_begun_anew_is_found_by_an_anchor(chain: Chain, source: str) -> None:
    anchor = _anchor(chain, source)
    _begun_anew(chain, chain.keys)

    assert [] == chain.broken([])
    assert 1 == len(chain.broken([anchor]))


@pytest.mark.parametrize("source", ["--last", "the history"])
def test_chain_that_went_on_holds_its_anchor(chain: Chain, source: str) -> None:
    anchor = _anchor(chain, source)
    signed(envelopes.drilled(), chain.keys.private, chain.folder)
    verified = chain.verify([anchor])

    assert () == verified.findings
    assert 5 == verified.anchored


def test_chain_without_an_anchor_says_what_it_cannot_show(chain: Chain) -> None:
    assert [("unanchored", "WARNING")] == [
        (f.kind, f.severity.name) for f in chain.verify([]).findings
    ]


def test_folder_without_signed_reports_holds_nothing(tmp_path: Path, keys: Keys) -> None:
    verified = Chain(tmp_path, keys).verify([])

    assert (0, (), ()) == (verified.total, verified.reports, verified.findings)


def test_keys_may_change(chain: Chain, other_keys: Keys) -> None:
    signed(envelopes.drilled(), other_keys.private, chain.folder)
    both = [public_key(chain.keys.public), public_key(other_keys.public)]
    files = [opened(file.read_bytes(), both) for file in chain.files]

    assert [""] * 6 == [seen.problem for seen in files]
    assert [LATER] == [finding.subject for finding in chain.broken()]


@pytest.mark.parametrize(
    ("numbers", "broken"), [((1, 3), 0), ((4,), 0), ((3, 2), 0), ((5, 4, 3, 2, 1), 0)]
)
def test_files_by_themselves_hold(chain: Chain, numbers: tuple[int, ...], broken: int) -> None:
    paths = [chain.files[number - 1] for number in numbers]
    verified = verify_files(paths, [public_key(chain.keys.public)], __version__)

    assert broken == len(verified.findings)
    assert sorted(numbers) == [one.number for one in verified.reports]


def test_file_that_does_not_follow_its_neighbour_is_found(chain: Chain) -> None:
    _resign(chain, 2, chain.keys)
    paths = chain.files[1:3]
    verified = verify_files(paths, [public_key(chain.keys.public)], __version__)

    assert [str(paths[1])] == [f.subject for f in verified.findings]
    assert [True, False] == [one.holds for one in verified.reports]


@pytest.mark.parametrize(("version", "broken"), [(__version__, 1), ("0.0.9", 0)])
def test_section_of_another_release_may_have_grown(chain: Chain, version: str, broken: int) -> None:
    """Its own reports have to have every field; those of another release, what all have."""
    envelope: Any = envelopes.drilled()
    envelope["tool"]["restic-verify"] = version
    del envelope["drill"]["excluded"]
    signed(envelope, chain.keys.private, chain.folder)

    assert broken == len(chain.broken())


@given(data=st.data())
@settings(max_examples=150)
def test_no_flipped_bit_is_accepted(flips: Chain, data: st.DataObject) -> None:
    """Anywhere in any file of the chain: signature, payload, punctuation, line end."""
    file = data.draw(st.sampled_from(flips.files))
    content = file.read_bytes()
    place = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[place // 8] ^= 1 << place % 8
    try:
        file.write_bytes(flipped)
        found = flips.broken([Anchor(flips.sha256(5), "x")])
    finally:
        file.write_bytes(content)

    assert [file.name] == [f.subject for f in found]
    assert [] == flips.broken()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)
_LIKE_ENVELOPES = st.fixed_dictionaries(
    {
        "payload": st.text(max_size=9) | st.binary(max_size=9).map(lambda b: b.hex()) | _JSON,
        "payloadType": st.just("application/vnd.in-toto+json") | _JSON,
        "signatures": st.lists(
            st.fixed_dictionaries({"keyid": st.just("KEY") | _JSON, "sig": st.text() | _JSON}),
            max_size=2,
        )
        | _JSON,
    }
)


@given(
    content=st.binary(max_size=60) | (_JSON | _LIKE_ENVELOPES).map(lambda j: json.dumps(j).encode())
)
def test_whatever_a_file_holds_is_answered(keys: Keys, content: bytes) -> None:
    key = public_key(keys.public)

    assert opened(content.replace(b'"KEY"', f'"{key.keyid}"'.encode()), [key]).problem


@given(payload=st.binary(max_size=60) | _JSON.map(lambda j: json.dumps(j).encode()))
def test_whatever_was_signed_is_answered(keys: Keys, payload: bytes) -> None:
    content = sealed(payload, private_key(keys.private))

    assert opened(content, [public_key(keys.public)]).problem


@pytest.fixture(scope="module")
def flips(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Five small signed reports, so that each part of a file is met often."""
    folder = tmp_path_factory.mktemp("flips")
    for number in range(5):
        envelope = envelopes.envelope("audit", {}, measurements={"number": number})
        signed(envelope, keys.private, folder)
    chain = Chain(folder, keys)
    assert {"audit"} == {statement_of(f)["predicate"]["report"]["kind"] for f in chain.files}
    return chain
