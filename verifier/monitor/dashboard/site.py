"""What every page is made from, and one request for one of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from verifier.core.clock import Clock
from verifier.monitor.dashboard.doors import Doors
from verifier.monitor.dashboard.parameters import Query
from verifier.monitor.dashboard.terms import Terms
from verifier.monitor.history.memory import History


@dataclass(frozen=True, slots=True)
class Site:
    """The whole dashboard.

    Attributes:
        history: opens it, for reading alone; once a request, so that no thread shares another's.
    """

    history: Callable[[], AbstractContextManager[History]]
    terms: Terms
    doors: Doors
    clock: Clock


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        number: in the path; 0 where none is.
    """

    site: Site
    history: History
    now: datetime
    query: Query
    number: int = 0

    @property
    def terms(self) -> Terms:
        """What the pages hold the history to."""
        return self.site.terms


class NotFound(Exception):
    """There is nothing of that name or number; its text says so."""


def is_storable(name: str) -> bool:
    """Say whether a name can stand in the history at all: undecodable bytes cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
