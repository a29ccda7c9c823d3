"""Put a drill together: from configuration and environment to a repository, targets and a run."""

from __future__ import annotations

import hashlib
import os
import posixpath
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.secrets import repository_password
from verifier.core.clock import Clock
from verifier.core.errors import UsageError
from verifier.core.exclude import parse_excludes
from verifier.drill.target import Target
from verifier.fleet.local import LocalHost
from verifier.fleet.ssh import SshHost
from verifier.reader.location import open_storage
from verifier.reader.repository import Repository, open_repository

if TYPE_CHECKING:
    from verifier.config.models import Config, HostTable
    from verifier.drill.ledger import Run
    from verifier.drill.monthly import Drilled
    from verifier.drill.restore import Source

CONFIG_FILES = ("verify.toml", "/etc/restic-verify/verify.toml")
"""Where the configuration is looked for, in this order."""


def find_config(given: str | None) -> Path:
    """Return the configuration file that is meant.

    Raises:
        UsageError: there is none in the usual places.
    """
    if given is not None:
        return Path(given)
    found = next((Path(name) for name in CONFIG_FILES if Path(name).is_file()), None)
    if found is None:
        looked = " or ".join(CONFIG_FILES)
        raise UsageError("--config", f"there is no {looked}", "name one: --config FILE")
    return found


def open_primary(config: Config, context: Context, here: LocalHost) -> Repository:
    """Open the production repository, without restic and for reading only.

    Raises:
        UsageError: its location is of a kind that cannot be read.
        CannotVerify: it cannot be read, or no key opens with the password.
    """
    password = repository_password(config.repository, context.environ, here)
    return open_repository(open_storage(config.repository.location, context.environ), password)


def source(config: Config, here: LocalHost) -> Source:
    """Return the production repository as the real restic is asked about it."""
    from verifier.drill.restore import Source
    from verifier.restic.commands import Access

    repository = config.repository
    access = Access(
        repository.location,
        password_file=repository.password_file,
        password_command=repository.password_command,
    )
    return Source(here, repository.restic, access)


def target(table: HostTable, config: Config, here: LocalHost) -> Target:
    """Return a host of the configuration as a drill looks at it."""
    remote = SshHost(table.name, table.address or "", table.port, table.user, via=here)
    return Target(
        name=table.name,
        host=here if table.is_local else remote,
        python=sys.executable if table.is_local else table.python,
        include=cleaned(table.include),
        excludes=parse_excludes(table.exclude),
        source_root=table.source_root,
        one_file_system=table.one_file_system,
        is_local=table.is_local,
        become=table.become,
        manifest=table.manifest,
        canaries=frozenset(c.path for c in config.canaries if c.host == table.name),
    )


def cleaned(paths: Iterable[str]) -> tuple[str, ...]:
    """Return full paths as restic writes them into a snapshot: no `//`, no `..`, no last slash."""
    return tuple("/" + posixpath.normpath(path).lstrip("/") for path in paths)


@dataclass(frozen=True, slots=True)
class Memory:
    """Where runs are written down, and what this one is a function of.

    Attributes:
        inputs: of the command; a run is resumed where they are the same.
        within: runs within which everything is proven.
    """

    ledger: Path
    inputs: Mapping[str, object]
    within: int

    @contextmanager
    def run(self, repository: Repository, context: Context) -> Iterator[Run]:
        """Begin a run, or take up the one that was interrupted.

        Raises:
            CannotVerify: the ledger cannot be written, or another run is writing it.
        """
        from verifier.drill.ledger import open_ledger

        text = repr(sorted(self.inputs.items())).encode()
        with open_ledger(self.ledger) as ledger:
            yield ledger.begin(
                repository=repository_id(repository),
                inputs=hashlib.sha256(text).hexdigest(),
                at=context.clock.now(),
                within=self.within,
            )


def repository_id(repository: Repository) -> str:
    """Return the repository's ID; its location where its `config` is damaged."""
    from verifier.reader.repository import Config as RepositoryConfig

    config = repository.config
    return config.id if isinstance(config, RepositoryConfig) else repository.storage.location


def workers(wanted: int | None) -> int:
    """Return how many processes read packs: one a processor where none is given."""
    return wanted or len(os.sched_getaffinity(0))


def over(clock: Clock, budget: timedelta | None) -> Callable[[], bool]:
    """Return what says that the time is up, from now on."""
    if budget is None:
        return lambda: False
    end = clock.now() + budget
    return lambda: clock.now() >= end


def sections(drilled: Drilled) -> dict[str, object]:
    """Return the sections of a report: the drill's own, and that of the audit beside it."""
    drill = dict(drilled.section)
    audit = drill.pop("audit", None)
    return {"drill": drill} if audit is None else {"drill": drill, "audit": audit}


@contextmanager
def warm_executor(spec: str, count: int, environ: Mapping[str, str]) -> Iterator[Executor]:
    """Provide an executor whose processes start at once, while a key is derived here.

    Raises:
        UsageError, CannotVerify: as `open_executor`.
    """
    from verifier.reader.executor import open_executor

    with open_executor(spec, count, environ) as executor:
        for _ in range(count):
            executor.submit(int)
        yield executor
