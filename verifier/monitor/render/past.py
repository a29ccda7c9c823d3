"""The history in tables, the same for a terminal and a page."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope_history import Collected, CollectedCycle, Remembered
from verifier.monitor.render.wording import count, moment, number, printable, size, span


def collected_headline(collected: Collected) -> str:
    """Return what was new, and how many of the backups failed."""
    new = collected["backups_new"]
    failed = collected["backups_failed"]
    told = f"{count(new, 'new backup')} in {count(collected['cycles_new'], 'run')}"
    told += f", {number(failed)} of them failed" if failed else ""
    skipped = collected["passed_over"]
    return told + (f"; {count(skipped, 'line')} not understood" if skipped else "")


def collected_tables(collected: Collected) -> Iterator[Table]:
    """Yield the runs of which something was new."""
    if collected["cycles"]:
        names = ("began", "coordinator", "took", "status", "backups", "failed")
        rows = tuple(_cycle(cycle) for cycle in collected["cycles"])
        yield Table("Runs", (names, *rows), frozenset({2, 3, 4}))


def _cycle(cycle: CollectedCycle) -> Row:
    status = cycle["status"]
    return (
        printable(moment(cycle["began"])),
        printable(cycle["coordinator"]),
        span(cycle["duration_s"]),
        "no end" if status is None else number(status),
        number(cycle["backups"]),
        printable(", ".join(cycle["failed"])),
    )


def remembered_headline(remembered: Remembered) -> str:
    """Return how much is remembered, and since when."""
    rows = remembered["rows"]
    since = f" since {remembered['first'][:10]}" if remembered["first"] else ""
    told = (
        f"{count(rows.get('backups', 0), 'backup')}, {count(rows.get('reports', 0), 'report')}"
        f"{since}, {size(remembered['size_bytes'])}"
    )
    if "removed" in remembered:
        removed = remembered["removed"]
        told += (
            f"; {count(removed['backups'], 'backup')} and "
            f"{count(removed['reports'], 'report')} forgotten"
        )
    if "written" in remembered:
        told += f"; {count(len(remembered['written']), 'file')} written"
    return told


def remembered_tables(remembered: Remembered) -> Iterator[Table]:
    """Yield what is remembered of hosts and reports, and what was written."""
    if remembered.get("hosts"):
        names: Row = ("host", "backups", "last", "last good", "verified", "verdict")
        rows = [
            (
                printable(host["host"]),
                number(host["backups"]),
                *(_moment(host["last"]), _moment(host["last_good"]), _moment(host["verified"])),
                printable(host["verdict"] or ""),
            )
            for host in remembered["hosts"]
        ]
        yield Table("Hosts", (names, *rows), frozenset({1}))
    if remembered.get("reports"):
        names = ("report", "kind", "finished", "verdict")
        told = [
            (
                number(report["number"]),
                printable(report["kind"]),
                _moment(report["finished"]),
                printable(report["verdict"]),
            )
            for report in remembered["reports"]
        ]
        yield Table("Last reports", (names, *told), frozenset({0}))
    if remembered.get("written"):
        files = [(printable(file["path"]), number(file["rows"])) for file in remembered["written"]]
        yield Table("Files", (("file", "rows"), *files), frozenset({1}))


def _moment(text: str | None) -> str:
    return printable(moment(text)) if text else "-"
