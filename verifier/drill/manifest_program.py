"""The program that a host runs before its backup, for its own paths and excludes."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.config.models import HostTable
from verifier.core.errors import UsageError
from verifier.core.exclude import parse_excludes
from verifier.drill.manifest_script import script

PROGRAM = "usr/local/bin/restic-manifest"
"""Where `backup-restic` looks for it on a host."""

REREAD_PERCENT = 3
"""It reads every file again about once a month, in nightly shares."""


def host_program(host: HostTable) -> str | None:
    """Return the program's text; none where the host keeps no manifest.

    Raises:
        UsageError: an exclude pattern that restic would refuse too.
    """
    if host.manifest is None:
        return None
    return script(
        roots=host.include,
        output=host.manifest,
        previous=host.manifest,
        excludes=known_excludes(host.exclude),
        one_file_system=host.one_file_system,
        reread_percent=REREAD_PERCENT,
        host=host.name,
    )


def known_excludes(patterns: Sequence[str]) -> list[tuple[bool, str]]:
    """Return patterns of `restic backup --exclude` as the program takes them.

    Raises:
        UsageError: restic would refuse one too.
    """
    try:
        return [(p.negated, p.regex) for p in parse_excludes(patterns).patterns]
    except ValueError as error:
        remedy = "correct the pattern; restic would refuse it too"
        raise UsageError("--exclude", str(error), remedy) from error
