"""A host whose backup is drilled, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.core.entry import Entry
from verifier.core.exclude import Excludes
from verifier.core.host import Host
from verifier.drill.live import Excluded, Inspection, ProbeRequest, inspect, observe


@dataclass(frozen=True, slots=True)
class Target:
    """A host whose backup is drilled.

    Attributes:
        name: as its snapshots say.
        host: where its live files are.
        python: the interpreter there.
        include: what is to be in its backup.
        source_root: where its live tree stands on that host.
        one_file_system: its backup keeps to the file systems that its paths are on.
        is_local: it is this machine, which holds the scratch folder too.
        become: words before the interpreter that let it read every file.
        manifest: where its backup leaves the hashes of what it is about to back up.
        canaries: paths whose content is read in every run.
    """

    name: str
    host: Host
    python: str
    include: tuple[str, ...]
    excludes: Excludes
    source_root: str = "/"
    one_file_system: bool = False
    is_local: bool = False
    become: tuple[str, ...] = ()
    manifest: str | None = None
    canaries: frozenset[str] = frozenset()

    def observe(
        self,
        roots: Sequence[str],
        files: Iterable[tuple[str, Sequence[int]]],
        folder: Path,
        excluded: Callable[[Excluded], object],
    ) -> Iterator[Entry]:
        """Look at the live files; see `live.observe`.

        Args:
            files: path and lengths of the recorded pieces, of those whose content is read.
            folder: scratch space on this machine, which is passed over where it is the target.
        """
        request = ProbeRequest(
            roots=roots,
            files=files,
            prefix=self.source_root,
            excludes=[(pattern.negated, pattern.regex) for pattern in self.excludes.patterns],
            leave_out=[str(folder)] if self.is_local else [],
            one_file_system=self.one_file_system,
            measure_excluded=True,
        )
        return observe(self.host, self.python, request, folder, self.become, excluded)

    def inspect(
        self, files: Iterable[tuple[str, Sequence[int]]], folder: Path
    ) -> dict[str, Inspection]:
        """Read some files once more, in detail; see `live.inspect`."""
        return inspect(self.host, self.python, files, folder, self.become, self.source_root)
