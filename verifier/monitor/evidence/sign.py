"""Sign a report, and add it to the chain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from verifier.config.monitor import Evidence
from verifier.core.errors import CannotVerify, Interrupted
from verifier.core.finding import Finding
from verifier.monitor.evidence.envelope import sealed
from verifier.monitor.evidence.folder import append
from verifier.monitor.evidence.keys import private_key
from verifier.monitor.evidence.statement import statement


@dataclass(frozen=True, slots=True)
class Signed:
    """Where a report stands in its chain.

    Attributes:
        sha256: over the file; kept elsewhere, it shows later that nothing was cut off the end.
        key: the ID of the key.
    """

    number: int
    sha256: str
    file: str
    key: str

    def section(self) -> dict[str, object]:
        """Return it as the report that is delivered has it; the one that is signed cannot."""
        return {"number": self.number, "sha256": self.sha256, "file": self.file, "key": self.key}


def sign(envelope: Mapping[str, object], evidence: Evidence) -> Signed | Finding:
    """Sign a report and keep it; a finding where that cannot be done, which changes no verdict."""
    try:
        return signed(envelope, Path(evidence.key), Path(evidence.folder))
    except Interrupted:
        raise
    except CannotVerify as error:
        detail = f"the report is not signed: {error.message}; {error.remedy}"
        return Finding("not-signed", error.subject, detail, {"error": type(error).__name__})
    except Exception as error:  # noqa: BLE001 - the report stands, whatever its signature does
        detail = f"the report is not signed: {type(error).__name__}: {error}"
        return Finding("not-signed", "restic-verify", detail, {"error": type(error).__name__})


def signed(envelope: Mapping[str, object], key: Path, folder: Path) -> Signed:
    """Sign a report and keep it.

    Raises:
        CannotVerify: the key cannot be used, or the folder cannot be written.
        NoSpace: the disk is full.
        ToolMissing: securesystemslib is not installed.
    """
    signer = private_key(key)
    content = b""

    def make(number: int, previous: str | None) -> bytes:
        nonlocal content
        content = sealed(statement(envelope, number, previous), signer)
        return content

    kept = append(folder, str(envelope["kind"]), make)
    digest = hashlib.sha256(content).hexdigest()
    return Signed(kept.number, digest, str(kept.path), signer.public_key.keyid)
