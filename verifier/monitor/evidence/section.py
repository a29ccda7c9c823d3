"""What a report says of signed reports, as its own section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from verifier.monitor.evidence.keys import PublicKey
from verifier.monitor.evidence.verify import Checked, Verified


def evidence_section(
    verified: Verified, folder: Path | None, keys: Sequence[PublicKey]
) -> dict[str, object]:
    """Return the section `evidence`."""
    return {
        "folder": None if folder is None else str(folder),
        "whole": verified.whole,
        "anchored": verified.anchored,
        "keys": [key.keyid for key in keys],
        "reports": [_record(one) for one in verified.reports],
    }


def _record(one: Checked) -> dict[str, object]:
    report = one.seen.report or {}
    return {
        "number": one.number,
        "file": one.name,
        "sha256": one.seen.sha256,
        "key": one.seen.key,
        "holds": one.holds,
        **{name: _text(report.get(name)) for name in ("kind", "verdict", "finished")},
    }


def _text(value: object) -> str:
    # A report that breaks its schema may hold anything there.
    return value if isinstance(value, str) else ""
