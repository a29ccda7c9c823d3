"""Damage as a value: what is wrong with some bytes, and with which file of the repository.

Pure code that sees bytes only answers with a `Flaw`; whoever knows the file turns it into a
`Damage`. Neither is ever raised.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with some bytes; which file they came from is not known here."""

    what: str


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing wrong with a repository.

    Attributes:
        file: inside the repository (`data/3f/3f…`, `index/…`, `config`).
        offset: where in that file it begins, in bytes.
        blob: ID of the blob it concerns; empty where it concerns the file.
        what: a phrase that completes "the file …".
    """

    file: str
    offset: int
    blob: str
    what: str

    def __str__(self) -> str:
        about = f" (blob {self.blob[:8]})" if self.blob else ""
        return f"{self.file}{about}: {self.what}"


def locate(flaw: Flaw, file: str, *, offset: int = 0, blob: str = "") -> Damage:
    """Say where a flaw was met."""
    return Damage(file, offset, blob, flaw.what)


MISNAMED = Flaw("is not what its name says: its SHA-256 is another")
