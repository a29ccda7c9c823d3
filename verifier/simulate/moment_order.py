"""The moments of a cycle at which something can happen, as orders to who stands before a program.

An event is `+` or `-` and the beginning of a path in the repository, or in its copy: a file there
has appeared or vanished.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

Stage = Literal["backup", "forget", "prune", "sync"]
Moment = Literal["begun", "writing"]

_LOCKED = ("+locks/",)
_WRITTEN = tuple(f"{sign}{part}/" for sign in "+-" for part in ("data", "index", "snapshots"))
_UNLOCKED = ("-locks/",)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to one call of a program, and when.

    Attributes:
        words: the call has all of these.
        in_copy: the events are those of the copy.
        after: the moment is when one event of each has been, in this order.
        late: what shows, right after it, that it is over.
        kill: the program is killed then; otherwise stopped.
        hold: nothing goes on until somebody says so.
    """

    program: str
    words: tuple[str, ...]
    after: tuple[tuple[str, ...], ...]
    late: tuple[str, ...]
    in_copy: bool = False
    kill: bool = False
    hold: bool = False

    def render(self, folder: str) -> bytes:
        """Return it as `moment.py` reads it.

        Args:
            folder: of the repository or the copy, as the machine sees it.
        """
        asked = {
            "program": self.program,
            "words": self.words,
            "folder": folder,
            "after": self.after,
            "late": self.late,
            "kill": self.kill,
            "hold": self.hold,
        }
        return json.dumps(asked).encode()


_CALLS = {
    "backup": Order("restic", ("backup",), (_LOCKED, ("+data/",)), ("+snapshots/",)),
    "forget": Order("restic", ("forget",), (_LOCKED, ("-snapshots/",)), _UNLOCKED),
    "prune": Order("restic", ("prune",), (_LOCKED, ("-index/", "-data/")), _UNLOCKED),
    "restic-copy": Order("restic", ("copy",), (_LOCKED, ("+data/",)), _UNLOCKED, in_copy=True),
    "rclone-sync": Order("rclone", ("sync",), (("+",),), (), in_copy=True),
}


def order_at(stage: Stage, moment: Moment, *, host: str | None, method: str | None) -> Order:
    """Return the order for a moment of a stage, which neither kills nor holds yet.

    Args:
        host: whose backup.
        method: of the off-site copy.
    """
    assert stage != "sync" or method, "a scenario without a copy has no sync"
    order = _CALLS[method if stage == "sync" and method else stage]
    if host is not None:
        order = replace(order, words=(*order.words, f"--host={host}"))
    if moment == "writing":
        return order
    if order.program == "rclone":
        return replace(order, after=(), late=("+", "-"))
    return replace(order, after=(_LOCKED,), late=_WRITTEN)
