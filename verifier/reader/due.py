"""The result of a call that an executor may have to begin more than once.

`concurrent.futures.Future` belongs to one attempt. This one belongs to the call: attempts at it
come and go, and the first that says something settles it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Due(Future[T]):
    """What a caller waits for; settled once, whoever comes first, in any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._settling = threading.RLock()
        self._give_up: Callable[[], object] = lambda: None

    def attempt(self, give_up: Callable[[], object]) -> None:
        """Remember the attempt that is under way.

        Args:
            give_up: drops the attempt, as far as it can still be dropped.
        """
        self._give_up = give_up
        if self.cancelled():
            give_up()

    def cancel(self) -> bool:
        """Cancel the call and the attempt at it; tell whether it was not settled before."""
        with self._settling:
            if self.done():
                return self.cancelled()
            super().cancel()
            self.set_running_or_notify_cancel()
        self._give_up()
        return True

    def keep(self, result: T) -> None:
        """Settle the call with its result, unless it is settled."""
        with self._settling:
            if not self.done():
                self.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Settle the call with an error, unless it is settled."""
        with self._settling:
            if not self.done():
                self.set_exception(error)
