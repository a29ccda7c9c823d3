"""The file of a signed report: a DSSE envelope as one line of JSON, and how it is read again.

Signing and checking are securesystemslib's. Beyond the signature, every byte of a file is held to
be the one that was written: no second spelling of the same JSON or base64 passes, so that a file's
SHA-256 means one thing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.monitor.evidence.keys import PublicKey, Signer
from verifier.monitor.evidence.statement import PAYLOAD_TYPE, parse_statement


@dataclass(frozen=True, slots=True)
class Seen:
    """What a file turned out to hold.

    Attributes:
        sha256: over the whole file; the one after it names it so.
        problem: why it is no signed report of one of the keys; empty where it is one, and all that
            follows holds then alone.
        key: the ID of the key that signed it.
        sequence: its place in the chain, from 1.
        previous: the SHA-256 of the one before.
    """

    sha256: str
    problem: str = ""
    key: str = ""
    sequence: int = 0
    previous: str | None = None
    report: Mapping[str, object] | None = None


def sealed(payload: bytes, signer: Signer) -> bytes:
    """Return the file of a payload: an envelope with one signature."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return _file(envelope.to_dict())


def opened(content: bytes, keys: Sequence[PublicKey]) -> Seen:
    """Return what a file holds, held against the keys that may have signed it."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        payload, key = _verified(content, keys)
        predicate = parse_statement(payload)
    except (ValueError, RecursionError) as error:
        return Seen(digest, str(error))
    return Seen(
        digest,
        key=key,
        sequence=predicate["sequence"],
        previous=predicate["previous"],
        report=predicate["report"],
    )


def _verified(content: bytes, keys: Sequence[PublicKey]) -> tuple[bytes, str]:
    """Return the payload and the ID of the key.

    Raises:
        ValueError: it is no envelope as written here, or the signature does not hold.
    """
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    parsed = _parsed(content)
    signatures = parsed["signatures"]
    assert isinstance(signatures, list)
    if parsed["payloadType"] != PAYLOAD_TYPE:
        raise ValueError("the payload is of another type")
    key = str(signatures[0]["keyid"])
    if key not in {known.keyid for known in keys}:
        raise ValueError(f"it is signed by a key that was not given (ID {key[:16]})")
    envelope = Envelope.from_dict({**parsed, "signatures": [dict(signatures[0])]})
    if _file(envelope.to_dict()) != content:
        raise ValueError("it is not spelled as it was written")
    try:
        envelope.verify(list(keys), 1)
    except VerificationError as error:
        raise ValueError("the signature does not hold") from error
    return bytes(envelope.payload), key


def _parsed(content: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    match parsed:
        case {
            "payload": str(),
            "payloadType": str(),
            "signatures": [{"keyid": str(), "sig": str()}],
        }:
            return dict(parsed)
    raise ValueError("it is no DSSE envelope with one signature")


def _file(envelope: Mapping[str, object]) -> bytes:
    text = json.dumps(envelope, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"
