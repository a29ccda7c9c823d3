"""Faults of our own: an exception that nobody foresaw, as a finding."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

from verifier.core.finding import Finding

REMEDY = (
    "this is a fault of restic-verify: run it again with RESTIC_VERIFY_DEBUG=1 and report what it "
    "prints"
)


def internal(subject: str, error: BaseException, environ: Mapping[str, str]) -> Finding:
    """Return the finding, and print where it happened if the environment asks for that."""
    if environ.get("RESTIC_VERIFY_DEBUG"):
        traceback.print_exception(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    evidence = {"file": Path(place.filename).name, "line": place.lineno, "function": place.name}
    return Finding("internal", subject, f"{type(error).__name__}: {error}", evidence)
