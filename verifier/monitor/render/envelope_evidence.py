"""The sections about signed reports: where one stands, a chain after its check, and controls."""

from __future__ import annotations

# pydantic reads a TypedDict of `typing` only from Python 3.12 on.
from typing_extensions import TypedDict


class Signed(TypedDict):
    """Where this report stands among the signed ones; the signed copy itself has no such section.

    `sha256` is over the whole file: it shows later that the end of the chain is still there.
    """

    number: int
    sha256: str
    file: str
    key: str


class EvidenceReport(TypedDict):
    """One signed report; texts of it are empty where it could not be opened."""

    number: int
    file: str
    sha256: str
    key: str
    holds: bool
    kind: str
    verdict: str
    finished: str


class Evidence(TypedDict):
    """The section of `report verify`.

    `folder` is null where files were named one by one, `whole` says that a chain was looked at from
    its first report, and `anchored` is the highest number that something outside vouches for.
    """

    folder: str | None
    whole: bool
    anchored: int | None
    keys: list[str]
    reports: list[EvidenceReport]
