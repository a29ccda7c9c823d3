"""What a scenario file may expect of alerts and of recovery points: `docs/scenarios.md`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from verifier.config.table import Table
from verifier.config.values import Day, Instant, Name, Span, unfit


class ExpectedAlert(Table):
    """An incident that must be raised; those of one host in the order in which they open.

    Attributes:
        level: the highest that it reaches.
        opened_age, escalated_age: how old the host's last backup is at that instant.
        open_: whether it is still open at the end.
    """

    host: Name
    level: Literal["warning", "alarm"]
    opened: Instant | None = None
    opened_age: Span | None = None
    escalated: Instant | None = None
    escalated_age: Span | None = None
    resolved: Instant | None = None
    open_: bool | None = None

    @model_validator(mode="after")
    def _no_contradiction(self) -> ExpectedAlert:
        if self.level == "warning" and (self.escalated or self.escalated_age):
            raise unfit('level = "alarm" of what is escalated', "write it, or take the rest out")
        if self.open_ and self.resolved:
            raise unfit("an alert that is open, or resolved", "take one of the two out")
        return self


def _hours(value: Any) -> Any:
    if value == NOTHING or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise unfit(f'whole hours, or "{NOTHING}"', f'write it as 24, or as "{NOTHING}"')


NOTHING = "nothing"
"""What is left to restore where no snapshot is."""


class ExpectedRecovery(Table):
    """How much of a host's work would have been lost, at the worst.

    Attributes:
        on: on this day; on any of them where none is given.
        hours: whole hours, those that are begun not counted.
    """

    host: Name
    on: Day | None = None
    hours: Annotated[int | Literal["nothing"], BeforeValidator(_hours)]
