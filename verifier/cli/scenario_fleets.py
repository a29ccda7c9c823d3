"""Fleets for scenarios: one engine, one image and one run for all of a command's.

They are opened when the first scenario asks for them; what stands in the way is said to each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from verifier.cli.compose_fleet import ask_clock, provide_image
from verifier.core.errors import CannotVerify, ClockNotControlled
from verifier.core.host import Host

if TYPE_CHECKING:
    from verifier.fleet.containers import Ground


@dataclass(slots=True)
class Fleets:
    """What the fleets of one command are made on; may be used from several threads.

    Attributes:
        folder: the run's own.
        stack: closes what is opened here.
        tell: takes a line for people.
    """

    host: Host
    environ: Mapping[str, str]
    folder: Path
    stack: ExitStack
    tell: Callable[[str], object]
    _ground: Ground | None = None
    _refusal: CannotVerify | None = None
    _lock: Lock = field(default_factory=Lock)

    def ground(self) -> Ground:
        """Return what fleets are made on, with a clock that can be controlled.

        Raises:
            ToolMissing, CannotVerify: there can be no containers here.
            ClockNotControlled: what runs in them cannot be given another time.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if self._ground is None:
                try:
                    self._ground = self._open()
                except CannotVerify as error:
                    self._refusal = error
                    raise
            return self._ground

    def _open(self) -> Ground:
        from verifier.fleet.container_engine import open_engine
        from verifier.fleet.containers import Ground
        from verifier.fleet.sweep import open_run

        engine = self.stack.enter_context(open_engine(self.environ))
        image = provide_image(engine, self.host, self.environ, self.tell)
        run = self.stack.enter_context(open_run(engine, self.folder, self.environ))
        ground = Ground(image, run, self.host, self.environ)
        control = ask_clock(ground, self.folder)
        if not control.is_controlled:
            remedy = (
                "let Docker give a container SYS_PTRACE, or leave this fidelity out with --fidelity"
            )
            raise ClockNotControlled("clock of a container", control.refusal, remedy)
        return ground
