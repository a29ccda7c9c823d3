"""Canaries: files whose content is known and never changes, so that no backup can lie about them.

A backup that faithfully holds what ransomware left behind agrees with the live files; with a
canary's hash it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from verifier.core.entry import shown
from verifier.core.finding import Finding
from verifier.drill.sample import Sample


def check_canaries(
    canaries: Mapping[str, str], sample: Sample, restored: Callable[[str], Path], host: str
) -> Iterator[Finding]:
    """Yield a finding for every canary that is not restored as it is known.

    Args:
        canaries: path -> hex SHA-256 of the whole content.
        restored: where a path of the host was restored.
    """
    chosen = {one.entry.path for one in sample.entries}
    for path, known in canaries.items():
        subject = f"{host}:{shown(path)}"
        if path in sample.absent:
            yield Finding("canary-changed", subject, "the snapshot does not hold this canary")
        elif path not in chosen:
            detail = "this canary was not restored: it is lost, or larger than the sample may be"
            yield Finding("could-not-verify", subject, detail)
        else:
            yield from _compare(subject, known, restored(path))


def _compare(subject: str, known: str, file: Path) -> Iterator[Finding]:
    try:
        if file.is_symlink() or not file.is_file():
            yield Finding("canary-changed", subject, "this canary was not restored as a file")
            return
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        detail = f"the restored canary could not be read: {error.strerror}"
        yield Finding("could-not-verify", subject, detail)
        return
    if found != known.lower():
        detail = "restored with another content than this canary is known to have"
        yield Finding("canary-changed", subject, detail, {"expected": known, "found": found})
