"""A chain of signed reports as tests handle it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier import __version__
from verifier.core.finding import Finding
from verifier.monitor.evidence.keys import public_key
from verifier.monitor.evidence.verify import Anchor, Verified, verify_folder


@dataclass(frozen=True)
class Keys:
    """A private key and its public one, as files."""

    private: Path
    public: Path


def make_keys(folder: Path) -> Keys:
    """Make a pair of keys below a folder, as openssl makes them."""
    keys = Keys(folder / "evidence.pem", folder / "evidence.pub.pem")
    openssl("genpkey", "-algorithm", "ed25519", "-out", keys.private)
    openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
    return keys


def openssl(*line: str | Path) -> bytes:
    """Run openssl to its end and return what it printed."""
    return subprocess.run(["openssl", *line], check=True, capture_output=True).stdout


@dataclass(frozen=True)
class Chain:
    """A folder of signed reports, and the keys that signed them."""

    folder: Path
    keys: Keys

    @property
    def files(self) -> list[Path]:
        """The signed reports in order."""
        return sorted(self.folder.glob("*.dsse.json"))

    def sha256(self, number: int) -> str:
        """Return the digest of a signed report."""
        return hashlib.sha256(self.files[number - 1].read_bytes()).hexdigest()

    def payload(self, number: int) -> Any:
        """Return the statement of a signed report."""
        return statement_of(self.files[number - 1])

    def verify(self, anchors: Sequence[Anchor] | None = None) -> Verified:
        """Check it, as it is now; anchored at its present end unless it is said how."""
        anchors = [Anchor(self.sha256(len(self.files)), "x")] if anchors is None else anchors
        return verify_folder(self.folder, [public_key(self.keys.public)], anchors, __version__)

    def broken(self, anchors: Sequence[Anchor] | None = None) -> list[Finding]:
        """Return what is found to be tampered with."""
        return [f for f in self.verify(anchors).findings if f.kind == "evidence-broken"]


def statement_of(file: Path) -> Any:
    """Return the statement in a signed report's file."""
    return json.loads(base64.b64decode(json.loads(file.read_bytes())["payload"]))
