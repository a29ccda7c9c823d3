"""Metrics in a file for node-exporter's textfile collector: replaced whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from verifier.core.errors import DeliveryFailed
from verifier.monitor.delivery import Delivery

NAME = "textfile"


class Textfile:
    """A file; a `Sink`.

    Args:
        path: its name ends in `.prom`, and its folder is there already.
    """

    name = NAME
    batch = 1_000

    def __init__(self, path: Path) -> None:
        self._path = path

    def takes(self, delivery: Delivery) -> bool:
        """Metrics alone."""
        return delivery.kind == "metrics"

    def deliver(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        """Write the newest, which is worth all before it; once more does no harm.

        Raises:
            DeliveryFailed: the file cannot be replaced; it is as it was.
        """
        del again
        # The collector passes over what does not end in `.prom`.
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(str(deliveries[-1].body["text"]).encode())
                file.flush()
                os.fsync(file.fileno())
                # The collector runs as a user of its own.
                os.fchmod(file.fileno(), 0o644)
            temporary.replace(self._path)
        except OSError as error:
            message = f"{self._path} cannot be written: {error.strerror}"
            remedy = "see that its folder is there, and that this user may write in it"
            raise DeliveryFailed(NAME, message, remedy) from error
        finally:
            temporary.unlink(missing_ok=True)
