"""The drill in tables, the same for a terminal and a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.monitor.render.envelope_drill import (
    Drill,
    DrillCopy,
    DrillHost,
    DrillPacks,
    DrillRehearsal,
)
from verifier.monitor.render.wording import count, moment, number, printable, size, span

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its headings in the first row.

    Attributes:
        right: columns that hold figures.
    """

    title: str
    rows: tuple[Row, ...]
    right: frozenset[int]


def drill_headline(drill: Drill) -> str:
    """Return what was drilled, in its own figures."""
    hosts = drill["hosts"]
    files = count(sum(host["files"] for host in hosts), "file")
    packs = drill["repository"]
    return (
        f"{count(len({host['host'] for host in hosts}), 'host')}, {files} of "
        f"{size(sum(host['bytes'] for host in hosts))}; {number(packs['packs_read'])} of "
        f"{count(packs['packs'], 'pack')} read"
    )


def drill_tables(drill: Drill) -> Iterator[Table]:
    """Yield the tables that have something to say."""
    copy = drill.get("off_site")
    packs: list[tuple[str, DrillPacks]] = [("repository", drill["repository"])]
    packs += [("off-site copy", copy)] if copy else []
    yield _table("Packs", ("", "read", "of", "content"), [_packs(*row) for row in packs], {1, 2, 3})
    names: Row = ("host", "snapshot", "taken", "files", "content", "seen")
    yield _table("Hosts", names, [_host(host) for host in drill["hosts"]], {3, 4})
    if drill["rehearsals"]:
        names = ("host", "files", "content", "took", "a second", "applications")
        rows = [_rehearsal(one) for one in drill["rehearsals"]]
        yield _table("Restore rehearsal", names, rows, {1, 2, 3, 4})
    if copy:
        names = ("host", "newest", "newest that the copy has whole")
        yield _table("Off-site copy", names, list(_copy(copy)), set())
    if drill["excluded"]:
        names = ("host", "exclude", "in", "files", "content")
        rows = [
            (
                printable(one["host"]),
                printable(one["pattern"]),
                printable(one["include"]),
                number(one["files"]),
                size(one["bytes"]),
            )
            for one in drill["excluded"]
        ]
        yield _table("Left out by excludes", names, rows, {3, 4})


def _table(title: str, names: Row, rows: list[Row], right: set[int]) -> Table:
    return Table(title, (names, *rows), frozenset(right))


def _packs(name: str, packs: DrillPacks) -> Row:
    read = number(packs["packs_read"]) + ("" if packs["finished"] else " (time was up)")
    return (name, read, number(packs["packs"]), size(packs["bytes"]))


def _host(host: DrillHost) -> Row:
    seen = ", ".join(f"{kind} {number(n)}" for kind, n in sorted(host["counts"].items()) if n)
    return (
        printable(host["host"]),
        printable(host["snapshot"][:8]),
        printable(moment(host["taken"])),
        number(host["files"]),
        size(host["bytes"]),
        printable(seen),
    )


def _rehearsal(one: DrillRehearsal) -> Row:
    said = [
        f"{name} {number(verdicts.get('accepted', 0))} of {number(sum(verdicts.values()))}"
        for name, verdicts in sorted(one["applications"].items())
    ]
    said += [f"{count(one['canaries'], 'canary')}"] if one["canaries"] else []
    return (
        printable(one["host"]),
        number(one["files"]),
        size(one["bytes"]),
        span(one["duration_s"]),
        size(one["bytes_per_s"]),
        printable(", ".join(said)),
    )


def _copy(copy: DrillCopy) -> Iterator[Row]:
    for host in copy["hosts"]:
        whole = "none"
        if host["whole"] and host["whole_taken"]:
            whole = f"{host['whole'][:8]}, {moment(host['whole_taken'])}"
        newest = f"{host['newest'][:8]}, {moment(host['newest_taken'])}"
        yield (printable(host["host"]), printable(newest), printable(whole))
