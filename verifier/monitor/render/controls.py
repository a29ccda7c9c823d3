"""Evidence mapped to controls: a headline, tables for a terminal, and a page to be printed.

The wording of the standards is theirs; what stands here says in a sentence what each asks for. A
page shows what was done and measured: whether that is enough is for its reader to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from verifier.monitor.render.controls_said import controls, tested_hosts
from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.envelope_evidence import (
    Controls,
    ControlsBackups,
    ControlsHost,
    ControlsSignatures,
    ControlsTest,
    ControlsTrouble,
)
from verifier.monitor.render.environment import environment
from verifier.monitor.render.wording import count, moment, number, printable, size, span

_TESTS: Row = ("number", "finished", "test", "verdict", "hosts", "looked at", "packs", "found")
_HOSTS: Row = ("host", "tests", "good", "longest without", "last good", "files", "content")
_RECOVERY: Row = ("host", "rehearsals", "restored", "took", "a second", "whole host")
_POINTS: Row = (
    "host",
    "oldest newest",
    "backups",
    "failed",
    "counted from",
    "longest gap",
    "copy whole",
)
_TROUBLES: Row = ("number", "since", "what", "about", "seen in", "over", "lasted")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the page: what it says before its table, and the name that controls refer to."""

    anchor: str
    title: str
    about: str
    table: Table | None
    otherwise: str


def controls_headline(section: Controls) -> str:
    """Return how many tests of how many hosts there were, and what their signatures are worth."""
    tests = section["tests"]
    return (
        f"{count(len(tests), 'signed test')} of {tested_hosts(section)} from "
        f"{section['since'][:10]} to {last_day(section)}; {_signatures(section['signatures'])}"
    )


def last_day(section: Controls) -> str:
    """Return the last day of the period, whose end is not part of it."""
    return f"{datetime.fromisoformat(section['until']) - timedelta(microseconds=1):%Y-%m-%d}"


def controls_tables(section: Controls) -> Iterator[Table]:
    """Yield the tables that have something to say."""
    yield from (chapter.table for chapter in chapters(section) if chapter.table is not None)


def controls_page(envelope: Mapping[str, object]) -> str:
    """Return the page to be printed, as one HTML document."""
    report = cast(Envelope, envelope)
    section = report["controls"]
    values = {
        "report": report,
        "section": section,
        "last_day": last_day(section),
        "controls": controls(section),
        "chapters": chapters(section),
        "hosts": tested_hosts(section),
        "signatures": _signatures(section["signatures"]),
        "findings": report["findings"],
    }
    return environment().get_template("controls.html.j2").render(values)


def chapters(section: Controls) -> tuple[Chapter, ...]:
    """Return the chapters of the page, which tell everything once."""
    hosts = section["hosts"]
    return (
        Chapter(
            "tests",
            "1. Tests that were done",
            "Each is one signed report; the number is its place in the chain. A drill reads the "
            "repository without restic and holds the live files of every host against it, byte for "
            "byte; an audit looks at the snapshots alone.",
            _table("Tests", _TESTS, map(_test, section["tests"])),
            "No signed report of this period holds.",
        ),
        Chapter(
            "hosts",
            "2. What they covered",
            "Of each host: drills that looked at it, those without proven loss or a failed look, "
            "the longest time without such a one (from the period's beginning, unless one is known "
            "from before), and what its newest snapshots held at the last.",
            _table("Hosts", _HOSTS, map(_host, hosts)),
            "No host was tested.",
        ),
        Chapter(
            "recovery",
            "3. Recovery, as measured",
            "The real restic restored a sample of each host into scratch space, where content and "
            "metadata were compared and applications asked to open it. The rate is the median of "
            "the rehearsals (least in brackets); the time for a whole host is reckoned from it.",
            _table("Recovery", _RECOVERY, [_recovery(h) for h in hosts if h["rehearsals"]]),
            "Nothing was restored.",
        ),
        Chapter(
            "points",
            "4. Recovery points, and the second copy",
            "The greatest age that a host's newest snapshot had when it was looked at; backups as "
            "the coordinator logged them, where that was collected, and the longest time without a "
            "good one; and how many of the looks at the off-site copy found a complete snapshot of "
            "the host.",
            _points(hosts),
            "No recovery point was looked at.",
        ),
        Chapter(
            "troubles",
            "5. What failed, and what followed",
            "Every kind of finding that was not OK, from the report that showed it first, in this "
            "period or before it, to the next one of its kind that did not.",
            _table("Failures", _TROUBLES, map(_trouble, section["troubles"])),
            "Nothing failed.",
        ),
    )


def _table(title: str, names: Row, rows: Iterator[Row] | Sequence[Row]) -> Table | None:
    figures = {"number", "tests", "good", "files", "content", "rehearsals", "backups", "failed"}
    right = frozenset(place for place, name in enumerate(names) if name in figures)
    found = tuple(rows)
    return Table(title, (names, *found), right) if found else None


def _signatures(one: ControlsSignatures) -> str:
    if not one["reports"]:
        return "no signed report"
    said = f"{number(one['holding'])} of {number(one['reports'])} signatures hold"
    if one["chain"] > one["reports"]:
        said += f", {number(one['chain'] - one['reports'])} missing"
    if one["anchored"] is None:
        return f"{said}; nothing outside the folder confirms the end of the chain"
    return f"{said}; confirmed outside the folder up to number {one['anchored']}"


def _test(test: ControlsTest) -> Row:
    found = ", ".join(f"{kind} {number(n)}" for kind, n in sorted(test["findings"].items()))
    packs = ""
    if test["packs"] is not None and test["packs_read"] is not None:
        packs = f"{number(test['packs_read'])} of {number(test['packs'])}"
    return (
        number(test["number"]),
        printable(moment(test["finished"])),
        printable(test["kind"]),
        printable(test["verdict"]),
        printable(", ".join(test["hosts"])),
        f"{number(test['checked'])} of {number(test['total'])} {printable(test['unit'])}",
        packs,
        printable(found),
    )


def _host(host: ControlsHost) -> Row:
    return (
        printable(host["host"]),
        number(host["tests"]),
        number(host["good"]),
        _span(host["longest_without_s"]),
        printable(moment(host["last_good"])) if host["last_good"] else "never",
        number(host["files"]) if host["tests"] else "",
        size(host["bytes"]) if host["tests"] else "",
    )


def _recovery(host: ControlsHost) -> Row:
    rate = ""
    if host["median_bytes_per_s"] is not None and host["least_bytes_per_s"] is not None:
        rate = f"{size(host['median_bytes_per_s'])} ({size(host['least_bytes_per_s'])})"
    return (
        printable(host["host"]),
        number(host["rehearsals"]),
        f"{count(host['restored_files'], 'file')}, {size(host['restored_bytes'])}",
        span(host["restored_s"]),
        rate,
        _span(host["whole_s"]),
    )


def _point(host: ControlsHost) -> Row:
    backups = host["backups"]
    return (
        printable(host["host"]),
        _age(host),
        number(backups["good"]) if backups else "",
        number(backups["failed"]) if backups else "",
        (backups["since"] or "")[:10] if backups else "",
        _gap(backups) if backups else "",
        f"{number(host['copies_whole'])} of {number(host['copies'])}" if host["copies"] else "",
    )


def _age(host: ControlsHost) -> str:
    if not host["newest_missing"]:
        return _span(host["newest_age_s"])
    if host["newest_age_s"] is None:
        return "none to be dated"
    return f"{span(host['newest_age_s'])}; {count(host['newest_missing'], 'time')} none"


def _gap(backups: ControlsBackups) -> str:
    if backups["longest_gap_s"] is None:
        return "no backup known"
    return span(backups["longest_gap_s"])


def _points(hosts: Sequence[ControlsHost]) -> Table | None:
    """Return the table of recovery points, without the columns that nobody could fill."""
    table = _table("Recovery points", _POINTS, map(_point, hosts))
    if table is None or any(host["backups"] for host in hosts):
        return table
    rows = ((*row[:2], *row[6:]) for row in table.rows)
    return Table(table.title, tuple(rows), frozenset())


def _trouble(trouble: ControlsTrouble) -> Row:
    what = f"{trouble['severity']} {trouble['kind']}"
    if trouble["subjects"] > 1:
        what += f" ({number(trouble['subjects'])})"
    over = "not yet"
    if trouble["ended"] is not None:
        over = f"number {trouble['ended_by']}, {moment(trouble['ended'])}"
    return (
        number(trouble["first"]),
        printable(moment(trouble["began"])),
        printable(what),
        printable(trouble["about"]),
        count(trouble["reports"], "report"),
        printable(over),
        _span(trouble["lasted_s"]),
    )


def _span(seconds: float | None) -> str:
    return "" if seconds is None else span(seconds)
