"""What a command is given besides its options: the clock, the environment, where progress goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from verifier.core.clock import Clock

Advance = Callable[[int], object]
"""Say that so many more units are done."""


@dataclass(frozen=True, slots=True)
class Context:
    """The outside world of one command.

    Attributes:
        err: where people's text and progress go.
    """

    clock: Clock
    environ: Mapping[str, str]
    err: TextIO

    @contextmanager
    def progress(self, total: int, unit: str, about: str) -> Iterator[Advance]:
        """Show elapsed and remaining time during the block; nothing if `err` is no terminal."""
        if not self.err.isatty():
            yield lambda _: None
            return
        from tqdm import tqdm

        # A terminal that nobody gave a size says 0 columns, and tqdm would fill just these.
        columns = os.get_terminal_size(self.err.fileno()).columns or 80
        with tqdm(
            total=total,
            unit=f" {unit}",
            desc=about,
            file=self.err,
            ncols=columns,
            leave=False,
            smoothing=0.1,
        ) as bar:
            yield bar.update
