"""What a database file of ours is, and what people are told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of database file.

    Attributes:
        name: what people call it: `ledger`.
        application: SQLite's application_id: no other database is taken for one.
        migrations: what leads from each version of its tables to the next; the first makes them.
            A change of the tables is one more of these, never an edit of one.
        cache_kib: how much of it is held in memory.
        option: how a file is named: `--ledger`.
        first: what makes one and brings an older one up to date: `run monthly`.
    """

    name: str
    application: int
    migrations: tuple[str, ...]
    cache_kib: int
    option: str
    first: str

    @property
    def version(self) -> int:
        """The version that this release writes, as `PRAGMA user_version`."""
        return len(self.migrations)

    @property
    def another(self) -> str:
        """The remedy where the file is something else."""
        return f"name another file with {self.option}"

    @property
    def writable(self) -> str:
        """The remedy where the file may not be written."""
        return f"let this user write to it and its folder, or name another with {self.option}"
