"""Whether a simulation on this machine may have a clock of its own, and how the report says it."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.core.host import Command, Host


@dataclass(frozen=True, slots=True)
class Control:
    """Whether the clock of what a simulation runs can be controlled.

    Attributes:
        refusal: why not; empty where it can.
    """

    refusal: str

    @property
    def is_controlled(self) -> bool:
        """Whether everything that runs sees the simulated time."""
        return not self.refusal

    def told(self) -> str:
        """Return it as the report says it."""
        if self.is_controlled:
            return "controlled: all that runs sees the simulated time"
        return f"real: only snapshots carry the simulated time, by --time ({self.refusal})"


def ask_control(host: Host) -> Control:
    """Try the clock with `date` on this machine; what keeps it from working is no error here."""
    from verifier.clock.control import temporary_page, under

    with temporary_page() as page:
        done = host.run(Command(under(page.path, ("true",))), timeout_s=60)
    if done.status == 0:
        return Control("")
    said = done.stderr.decode(errors="replace").partition("\n")[0]
    return Control(said.removeprefix("restic-verify: ") or f"it ended with {done.status}")
