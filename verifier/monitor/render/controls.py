"""Evidence mapped to controls: a headline, tables for a terminal, and a page to be printed.

The wording of the standards is theirs; what stands here says in a sentence what each asks for. A
page shows what was done and measured: whether that is enough is for its reader to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast

from verifier.monitor.render.drill import Row, Table
from verifier.monitor.render.envelope import Envelope
from verifier.monitor.render.envelope_evidence import (
    Controls,
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
_POINTS: Row = ("host", "oldest newest", "backups", "failed", "longest gap", "copy whole")
_TROUBLES: Row = ("number", "since", "what", "about", "seen in", "over", "lasted")


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the page: what it says before its table, and the name that controls refer to."""

    anchor: str
    title: str
    about: str
    table: Table | None
    otherwise: str


@dataclass(frozen=True, slots=True)
class Control:
    """A control, what it asks for, and what is shown of it.

    Attributes:
        chapters: the numbers of the page's chapters that stand behind it.
    """

    name: str
    asks: str
    shown: tuple[str, ...]
    chapters: str


def controls_headline(section: Controls) -> str:
    """Return how many tests of how many hosts there were, and what their signatures are worth."""
    tests = section["tests"]
    return (
        f"{count(len(tests), 'signed test')} of {count(len(section['hosts']), 'host')} from "
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
        "signatures": _signatures(section["signatures"]),
        "findings": report["findings"],
    }
    return environment().get_template("controls.html.j2").render(values)


def controls(section: Controls) -> tuple[Control, ...]:
    """Return the controls with what is shown of each."""
    return (
        Control(
            "ISO/IEC 27001:2022, A.8.13 Information backup",
            "Backups are kept by an agreed policy, and tested regularly.",
            (*_tested(section), *_troubled(section)),
            "1, 2, 5",
        ),
        Control(
            "SOC 2, A1.2 Backup and recovery infrastructure",
            "Data is backed up, and the means of recovery are kept and watched over.",
            tuple(_kept(section)),
            "4, 5",
        ),
        Control(
            "SOC 2, A1.3 Tests of recovery",
            "The procedures of recovery are tested.",
            tuple(_recovered(section)),
            "2, 3",
        ),
    )


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
            "the longest time without such a one, and what its newest snapshots held at the last.",
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
            "the coordinator logged them, where that was collected; and how many of the looks at "
            "the off-site copy found a complete snapshot of the host.",
            _points(hosts),
            "No recovery point was looked at.",
        ),
        Chapter(
            "troubles",
            "5. What failed, and what followed",
            "Every kind of finding that was not OK, from the report that showed it first to the "
            "next one of its kind that did not.",
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


def _tested(section: Controls) -> Iterator[str]:
    tests = section["tests"]
    kinds = Counter(test["kind"] for test in tests)
    if not tests:
        yield "No test is shown."
        return
    listed = ", ".join(f"{number(n)} {printable(kind)}" for kind, n in sorted(kinds.items()))
    yield f"{count(len(tests), 'test')} ({listed}) of {count(len(section['hosts']), 'host')}."
    instants = [datetime.fromisoformat(test["finished"]) for test in tests]
    spans = [(after - before).total_seconds() for before, after in pairwise(sorted(instants))]
    if spans:
        yield f"Never more than {span(max(spans))} from one test to the next."
    verdicts = Counter(test["verdict"] for test in tests)
    order = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
    said = ", ".join(f"{number(verdicts[name])} {name}" for name in order if verdicts[name])
    yield f"Verdicts: {said}."
    if section["policies"]:
        yield f"Policy: {printable('; '.join(section['policies']))}."


def _troubled(section: Controls) -> Iterator[str]:
    troubles = section["troubles"]
    open_now = [trouble for trouble in troubles if trouble["ended"] is None]
    if not troubles:
        yield "No failure was seen."
        return
    over = len(troubles) - len(open_now)
    yield (
        f"{count(len(troubles), 'failure')} seen, {number(over)} of them over by a later test; "
        f"{number(len(open_now))} not over."
    )


def _kept(section: Controls) -> Iterator[str]:
    hosts = section["hosts"]
    ages = [host["newest_age_s"] for host in hosts if host["newest_age_s"] is not None]
    if ages:
        yield f"No newest snapshot was older than {span(max(ages))} when it was looked at."
    backups = [host["backups"] for host in hosts if host["backups"] is not None]
    if backups:
        good, failed = (sum(one[side] for one in backups) for side in ("good", "failed"))
        yield f"{count(good, 'backup')} succeeded and {number(failed)} failed."
        gaps = [one["longest_gap_s"] for one in backups if one["longest_gap_s"] is not None]
        if gaps:
            yield f"The longest time between two good backups of a host was {span(max(gaps))}."
    looks = sum(host["copies"] for host in hosts)
    if looks:
        whole = sum(host["copies_whole"] for host in hosts)
        yield (
            f"The off-site copy was searched for a host's snapshots {count(looks, 'time')}, and "
            f"held a complete one {count(whole, 'time')}."
        )
    if not (ages or backups or looks):
        yield "No recovery point is shown."


def _recovered(section: Controls) -> Iterator[str]:
    hosts = [host for host in section["hosts"] if host["rehearsals"]]
    if not hosts:
        yield "No restore is shown."
        return
    rehearsals = sum(host["rehearsals"] for host in hosts)
    restored = sum(host["restored_bytes"] for host in hosts)
    files = sum(host["restored_files"] for host in hosts)
    yield (
        f"{count(rehearsals, 'rehearsal')} of {number(len(hosts))} of "
        f"{count(len(section['hosts']), 'host')} restored {count(files, 'file')} of "
        f"{size(restored)}."
    )
    wholes = [(host["whole_s"], host["host"]) for host in hosts if host["whole_s"] is not None]
    if wholes:
        seconds, name = max(wholes)
        yield (
            f"By the measured rates a whole host would be back in at most {span(seconds)} "
            f"({printable(name)})."
        )


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
        number(host["files"]),
        size(host["bytes"]),
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
        _span(host["newest_age_s"]),
        number(backups["good"]) if backups else "",
        number(backups["failed"]) if backups else "",
        _span(backups["longest_gap_s"]) if backups else "",
        f"{number(host['copies_whole'])} of {number(host['copies'])}" if host["copies"] else "",
    )


def _points(hosts: Sequence[ControlsHost]) -> Table | None:
    """Return the table of recovery points, without the columns that nobody could fill."""
    table = _table("Recovery points", _POINTS, map(_point, hosts))
    if table is None or any(host["backups"] for host in hosts):
        return table
    rows = ((*row[:2], *row[5:]) for row in table.rows)
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
