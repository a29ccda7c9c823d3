"""A report as an in-toto statement: what it is about by digest, itself, and its place in a chain.

Pure. Sources: in-toto Attestation Framework, spec v1 (Statement, ResourceDescriptor, DigestSet);
DSSE v1 wraps it. A snapshot's ID is the SHA-256 of its file as stored, so it is its digest; the ID
of a repository is drawn when it is made and never changes: DigestSet allows such an identifier
under a name of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, cast

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from verifier.monitor.render.json import render_json

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:restic-verify:signed-report:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

REPOSITORY_ID = "resticRepositoryId"
"""The name of a repository's ID in a DigestSet: 64 lowercase hexadecimal digits."""

_ID = re.compile(r"[0-9a-f]{64}")

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Subject(TypedDict):
    """What a report is about, by a digest that everybody can compute or look up."""

    name: str
    digest: dict[str, Digest]


class Predicate(TypedDict):
    """The report, and where it stands: `previous` is null for the first of a chain alone.

    `previous` is the SHA-256 over the whole file before, signature and line end included.
    """

    sequence: Annotated[int, Field(ge=1)]
    previous: Digest | None
    report: dict[str, object]


class Statement(TypedDict):
    """The signed payload."""

    _type: Literal["https://in-toto.io/Statement/v1"]
    subject: Annotated[list[Subject], Field(min_length=1)]
    predicateType: Literal["urn:restic-verify:signed-report:v1"]
    predicate: Predicate


_STATEMENT: TypeAdapter[Statement] = TypeAdapter(Statement)


def statement(envelope: Mapping[str, object], sequence: int, previous: str | None) -> bytes:
    """Return the payload that is signed, as JSON in ASCII.

    Args:
        sequence: the report's place in the chain, from 1.
        previous: SHA-256 of the signed report before; none for the first.
    """
    assert sequence >= 1
    assert (previous is None) == (sequence == 1), "the first of a chain follows nothing"
    # As it is printed: without the numbers and values that JSON has no word for.
    report = json.loads(render_json(envelope))
    made: Statement = {
        "_type": STATEMENT_TYPE,
        "subject": list(_subjects(report)),
        "predicateType": PREDICATE_TYPE,
        "predicate": {"sequence": sequence, "previous": previous, "report": report},
    }
    return _dumped(made)


def parse_statement(payload: bytes) -> Predicate:
    """Return the predicate of a payload.

    Raises:
        ValueError: it is no statement of ours, or not about what its report is about.
    """
    try:
        parsed = _STATEMENT.validate_python(json.loads(payload), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "statement"
        raise ValueError(f"{place}: {fault['msg']}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    predicate = parsed["predicate"]
    if (predicate["previous"] is None) != (predicate["sequence"] == 1):
        raise ValueError("predicate.previous: only the first of a chain follows nothing")
    if parsed["subject"] != list(_subjects(predicate["report"])):
        raise ValueError("subject: it is not what the report is about")
    return predicate


def _dumped(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return text.encode("ascii")


def _subjects(report: Mapping[str, object]) -> Iterator[Subject]:
    """Yield the report itself, the repository, and the snapshots that were looked into."""
    yield {"name": "report", "digest": {"sha256": hashlib.sha256(_dumped(report)).hexdigest()}}
    inputs = report.get("inputs")
    repository = inputs.get("repository_id") if isinstance(inputs, dict) else None
    if _is_id(repository):
        yield {"name": "repository", "digest": {REPOSITORY_ID: cast(str, repository)}}
    seen = set()
    for host, snapshot in _snapshots(report):
        if snapshot not in seen:
            seen.add(snapshot)
            yield {"name": f"snapshot of {host}: {snapshot[:8]}", "digest": {"sha256": snapshot}}


def _snapshots(report: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    drill = report.get("drill")
    if not isinstance(drill, dict):
        return
    for part in ("hosts", "rehearsals"):
        listed = drill.get(part)
        for one in listed if isinstance(listed, list) else []:
            snapshot = one.get("snapshot") if isinstance(one, dict) else None
            if _is_id(snapshot):
                yield str(one.get("host")), cast(str, snapshot)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None
