"""What the coordinator's script said under the daemon: remembered as if a journal had kept it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.core.finding import Finding, Verdict
from verifier.monitor.cycles import CycleLog, dated, parse_log
from verifier.monitor.delivery import (
    Delivery,
    backup_delivery,
    end_delivery,
    log_delivery,
    start_delivery,
)

if TYPE_CHECKING:
    from verifier.config.models import Config

_JOB = "backups"
_LINES_SUMMED = 5


@dataclass
class Said:
    """A file that a run writes: its beginning in the first line, and then what it says.

    Attributes:
        last: its last line, once it has been read.
    """

    config: Config
    file: Path
    last: str = ""

    @classmethod
    def of(cls, config: Config) -> Said:
        """Return that of a configuration."""
        return cls(config, Path(config.history.file).with_name("daemon-backups.log"))

    def record(self, context: Context, status: int, *, send: bool) -> tuple[Finding, ...]:
        """Keep what was said in the history, tell it to the sinks, and remove the file.

        Args:
            send: now; else whoever sends next does.

        Returns:
            What no sink took for now.
        """
        from verifier.cli.deliver import send_owed
        from verifier.monitor.history.memory import open_history

        try:
            first, *lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
            began_at = datetime.fromisoformat(first)
        except (OSError, ValueError):
            # None is there, or one that was cut off before its first line was whole.
            return ()
        self.last = next((line for line in reversed(lines) if line.strip()), "")
        coordinator, now = self.config.coordinator, context.clock.now()
        logs = parse_log(dated(lines, coordinator.name, coordinator.log_service, began_at))
        with open_history(Path(self.config.history.file)) as history:
            with history.together():
                new = [log for log in logs if history.record_cycle(log.cycle, log.lines)]
                told = tuple(delivery for log in new for delivery in _deliveries(log))
                history.owe((*told, self._end(lines, status, now)))
            self.file.unlink(missing_ok=True)
            return send_owed(self.config, context, history, now) if send else ()

    def _end(self, lines: list[str], status: int, now: datetime) -> Delivery:
        verdict = Verdict.OK if status == 0 else Verdict.CRITICAL
        return end_delivery(_JOB, verdict, "\n".join(lines[-_LINES_SUMMED:]), now)


def begin(config: Config, context: Context) -> None:
    """Tell that a run starts."""
    from verifier.cli.deliver import outbox

    now = context.clock.now()
    outbox(config, context).post((start_delivery(_JOB, now),), now)


def _deliveries(log: CycleLog) -> Iterator[Delivery]:
    yield from map(log_delivery, log.lines)
    yield from map(backup_delivery, log.cycle.backups)
