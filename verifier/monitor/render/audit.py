"""The audit in a sentence and in tables, the same for a terminal and a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope_drill import Audit, AuditGroup, AuditHost
from verifier.monitor.render.wording import count, group_name, moment, number, printable, size, span

_HOSTS: Row = ("host", "newest", "age")
_GROUPS: Row = ("group", "kept", "next forget", "gaps", "since")
_CHANGES: Row = ("group", "files", "content", "added", "removed", "changed")
_WORDS = frozenset({"host", "newest", "group", "since"})


def audit_headline(audit: Audit) -> str:
    """Return what was audited, in its own figures."""
    snapshots = sum(group["snapshots"] for group in audit["groups"])
    gaps = sum(len(group["gaps"]) for group in audit["groups"])
    return (
        f"{count(snapshots, 'snapshot')} of {count(len(audit['hosts']), 'host')} in "
        f"{count(len(audit['groups']), 'group')}, {count(gaps, 'gap')}"
    )


def audit_tables(audit: Audit) -> Iterator[Table]:
    """Yield the tables that have something to say: the age of each host, then its groups."""
    if audit["hosts"]:
        yield _table("Newest snapshots", _HOSTS, map(_host, audit["hosts"]))
    if audit["groups"]:
        title = f"Groups under {printable(audit['policy'])}"
        yield _table(title, _GROUPS, map(_group, audit["groups"]))
    changed = [group for group in audit["groups"] if group["changes"]]
    if changed:
        yield _table(
            "From the last snapshot but one to the newest", _CHANGES, map(_change, changed)
        )


def _table(title: str, names: Row, rows: Iterable[Row]) -> Table:
    # Who it is about stands first, and figures after it; a date is read from the left.
    right = {place for place, name in enumerate(names) if name not in _WORDS}
    return Table(title, (names, *rows), frozenset(right))


def _host(host: AuditHost) -> Row:
    known = printable(host["host"]) + ("" if host["expected"] else " (not in the configuration)")
    if host["newest"] is None or host["age_s"] is None:
        return (known, "none", "")
    return (known, printable(moment(host["newest"])), span(host["age_s"]))


def _group(group: AuditGroup) -> Row:
    return (
        _name(group),
        number(group["snapshots"]),
        f"-{number(group['next_removed'])}" if group["next_removed"] else "keeps all",
        number(len(group["gaps"])),
        group["oldest"][:10],
    )


def _change(group: AuditGroup) -> Row:
    last = group["changes"][-1]
    return (
        _name(group),
        number(last["files"]),
        size(last["bytes"]),
        number(last["added"]),
        number(last["removed"]),
        number(last["changed"]),
    )


def _name(group: AuditGroup) -> str:
    return printable(group_name(group["host"], group["paths"], group["tags"]))
