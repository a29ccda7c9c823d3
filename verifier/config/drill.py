"""The tables of `verify.toml` about the drill: what a run may take, and what it asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from verifier.config.patterns import FilePatterns
from verifier.config.table import Table
from verifier.config.values import (
    AbsolutePath,
    ExecutorName,
    Name,
    Sha256,
    SizeBytes,
    Span,
    Words,
    unfit,
)


class Monthly(Table):
    """What one run of the monthly drill may take, and within how many runs everything is proven.

    Attributes:
        rotation: runs within which every pack and every file of the newest snapshots is read.
        read_budget: bytes that one run may read from each repository.
        time_budget: after it no further work is begun.
        sample: bytes that the real restic restores of each host.
        workers: processes that read packs; one a core where none is given.
    """

    scratch: AbsolutePath = "/var/tmp/restic-verify"  # noqa: S108 - the drill makes it its own
    scratch_budget: SizeBytes = 50 << 30
    ledger: AbsolutePath = "/var/lib/restic-verify/ledger.sqlite"
    rotation: Annotated[int, Field(ge=1, le=120)] = 1
    read_budget: SizeBytes | None = None
    time_budget: Span | None = None
    sample: SizeBytes = 1 << 30
    workers: Annotated[int, Field(ge=1, le=1_024)] | None = None
    executor: ExecutorName = "local"


class Canary(Table):
    """A file whose content never changes, and is known."""

    host: Name
    path: AbsolutePath
    sha256: Sha256


class Application(Table):
    """Restored files that a program of their own is asked about.

    Attributes:
        files: patterns of names, or of whole paths where they hold a `/`.
        probe: one that restic-verify knows; or else
        command: words, `{path}` for the restored file; it accepts it by ending with 0.
        host: of this host alone.
    """

    files: FilePatterns
    probe: Literal["sqlite", "git", "archive", "json", "xml", "pg-restore"] | None = None
    command: Words | None = None
    host: Name | None = None
    timeout: Span = timedelta(seconds=60)

    @model_validator(mode="after")
    def _one_probe(self) -> Application:
        if (self.probe is None) == (self.command is None):
            key = "command" if self.command else ""
            raise unfit("one of probe and command", "write one of the two", key=key)
        return self


class Audit(Table):
    """From when on the audit of a repository's snapshots speaks."""

    warn_age: Span = timedelta(hours=24)
    alarm_age: Span = timedelta(hours=28)
    exclude_percent: Annotated[int, Field(ge=1, le=100)] = 50

    @model_validator(mode="after")
    def _in_order(self) -> Audit:
        if self.alarm_age < self.warn_age:
            raise unfit("an alarm-age that is no less than warn-age", "exchange the two")
        return self
