"""An audit on a terminal and a page: each host and group has its line, whatever names hold."""

from __future__ import annotations

import pytest

from tests.monitor import envelopes
from verifier.core.report import Coverage
from verifier.monitor.render.audit import audit_headline, audit_tables
from verifier.monitor.render.envelope_drill import Audit, AuditChange, AuditGroup, AuditHost
from verifier.monitor.render.page import page
from verifier.monitor.render.text import text

WEB: AuditHost = {
    "host": "web1",
    "expected": True,
    "newest": "2024-03-01T04:00:00+00:00",
    "age_s": 28_800,
}
OLD: AuditHost = {"host": "old\n", "expected": False, "newest": None, "age_s": None}
CHANGE: AuditChange = {
    "snapshot": "9f86d081",
    "time": "2024-03-01T04:00:00+00:00",
    "files": 12,
    "bytes": 2048,
    "added": 3,
    "removed": 1,
    "changed": 4,
    "scrambled": 0,
}
GROUP: AuditGroup = {
    "host": "web1",
    "paths": ["/srv", "/etc"],
    "tags": [],
    "snapshots": 29,
    "oldest": "2024-02-01T04:00:00+00:00",
    "newest": "2024-03-01T04:00:00+00:00",
    "next_removed": 2,
    "gaps": [{"rule": "daily", "words": "2024-02-23 (1 day)"}],
    "changes": [],
}
AUDIT: Audit = {
    "policy": "--keep-daily=30",
    "rules": "0.18.0",
    "hosts": [WEB, OLD],
    "groups": [GROUP, {**GROUP, "next_removed": 0, "gaps": []}],
    "suspects": [],
}


def test_headline_counts_what_was_audited() -> None:
    assert "58 snapshots of 2 hosts in 2 groups, 1 gap" == audit_headline(AUDIT)


def test_every_host_has_its_line() -> None:
    heading, web, old = next(audit_tables(AUDIT)).rows

    assert ("host", "newest", "age") == heading
    assert ("web1", "Fri 2024-03-01 04:00 +00:00", "8 h") == web
    assert (r"old\n (not in the configuration)", "none", "") == old


def test_every_group_has_its_line() -> None:
    table = list(audit_tables(AUDIT))[1]
    _, some, none = table.rows

    assert "Groups under --keep-daily=30" == table.title
    assert ("web1 /srv, /etc", "29", "-2", "1", "2024-02-01") == some
    assert ("web1 /srv, /etc", "29", "keeps all", "0", "2024-02-01") == none


def test_newest_change_of_a_group_has_its_line() -> None:
    changed: AuditGroup = {**GROUP, "changes": [{**CHANGE, "files": 9}, CHANGE]}
    table = list(audit_tables({**AUDIT, "groups": [GROUP, changed]}))[-1]

    assert [("web1 /srv, /etc", "12", "2 KiB", "3", "1", "4")] == list(table.rows[1:])


def test_audit_of_nothing_has_no_tables() -> None:
    assert [] == list(audit_tables({**AUDIT, "hosts": [], "groups": []}))


@pytest.mark.parametrize("name", ["audit", "monthly"])
def test_terminal_and_page_show_the_same_tables(name: str) -> None:
    """A monthly report holds an audit too."""
    sections = {"audit": AUDIT} | (
        {"drill": envelopes.drilled()["drill"]} if name != "audit" else {}
    )
    report = envelopes.envelope(name, sections, coverage=Coverage("snapshots", 58, 58))
    shown, html = text(report), page(report)

    for table in audit_tables(AUDIT):
        words = [table.title, *(row[0] for row in table.rows[1:])]

        assert [] == [word for word in words if word not in shown or word not in html]
