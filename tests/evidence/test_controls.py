"""What signed reports show of controls: each figure, from a year with two incidents in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.evidence import year
from tests.evidence.chain import Chain, Keys
from tests.monitor import envelopes
from verifier.core.finding import Finding
from verifier.monitor.evidence.controls import Period, controls
from verifier.monitor.evidence.sign import signed
from verifier.monitor.render.controls import controls_page
from verifier.monitor.render.envelope_evidence import Controls
from verifier.monitor.render.schema import problems
from verifier.monitor.telemetry import BackupRun

PERIOD = Period(year.FIRST - timedelta(days=1), year.FIRST + timedelta(days=360))
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The signed reports of a year."""
    found = tmp_path_factory.mktemp("year") / "evidence"
    for report in year.year():
        signed(report, keys.private, found)
    return found


@pytest.fixture
def section(folder: Path, keys: Keys) -> Controls:
    """What the year shows, backups included."""
    return _controls(Chain(folder, keys), backups=tuple(year.backups()))


def _controls(
    chain: Chain, period: Period = PERIOD, backups: Sequence[BackupRun] | None = None
) -> Controls:
    return controls(chain.verify(), ["key"], period, backups=backups)


def test_every_report_is_a_test_with_its_place(section: Controls) -> None:
    tests = section["tests"]

    assert [*range(1, 25)] == [test["number"] for test in tests]
    assert ["monthly", "audit"] * 12 == [test["kind"] for test in tests]
    assert (350, 4_200, {}) == (tests[0]["packs_read"], tests[0]["packs"], tests[0]["findings"])
    assert (None, {}) == (tests[1]["packs"], tests[1]["findings"])
    assert {"lost": 3} == tests[2 * year.LOST]["findings"]
    assert ["/mnt/storage/restic"] == section["repositories"]


def test_host_is_told_by_its_drills(section: Controls) -> None:
    web1, db1 = section["hosts"]

    assert ("web1", 12, 11, 12) == (web1["host"], web1["tests"], web1["good"], web1["snapshots"])
    assert ("db1", 11, 11, 11) == (db1["host"], db1["tests"], db1["good"], db1["snapshots"])
    assert (91 << 30, 141_100) == (web1["bytes"], web1["files"])
    assert timedelta(days=60).total_seconds() == web1["longest_without_s"]
    assert timedelta(days=60).total_seconds() == db1["longest_without_s"]
    assert year.monthly(11)["finished"] == web1["last_good"]


def test_recovery_is_what_the_rehearsals_measured(section: Controls) -> None:
    web1 = section["hosts"][0]

    assert (12, 12 * 380, 12 << 30) == (
        web1["rehearsals"],
        web1["restored_files"],
        web1["restored_bytes"],
    )
    assert (24 * MIB, 25.5 * MIB) == (web1["least_bytes_per_s"], web1["median_bytes_per_s"])
    assert round((91 << 30) / (25.5 * MIB), 1) == web1["whole_s"]


def test_recovery_points_are_those_that_were_seen(section: Controls) -> None:
    web1, db1 = section["hosts"]

    assert (95_000.0, 95_000.0) == (web1["newest_age_s"], db1["newest_age_s"])
    assert ((12, 12), (12, 0)) == tuple((h["copies"], h["copies_whole"]) for h in (web1, db1))


def test_backups_are_those_of_the_history(section: Controls) -> None:
    web1, db1 = (host["backups"] for host in section["hosts"])
    day = timedelta(days=1).total_seconds()

    since = "2025-12-02T05:00:00+00:00"
    assert {"good": 357, "failed": 3, "since": since, "longest_gap_s": 4 * day} == web1
    assert {"good": 360, "failed": 0, "since": since, "longest_gap_s": day} == db1


def test_without_a_history_backups_are_not_told(folder: Path, keys: Keys) -> None:
    assert [None, None] == [h["backups"] for h in _controls(Chain(folder, keys))["hosts"]]


def test_trouble_lasts_until_a_report_of_its_kind_is_without_it(section: Controls) -> None:
    lost, unreachable = section["troubles"]

    assert ("lost", "CRITICAL", "web1", 3, 1) == (
        lost["kind"],
        lost["severity"],
        lost["about"],
        lost["subjects"],
        lost["reports"],
    )
    # Number 11 is the drill, 12 an audit, which opens no pack.
    assert (11, 13) == (lost["first"], lost["ended_by"])
    assert timedelta(days=30).total_seconds() == lost["lasted_s"]
    assert ("could-not-verify", "db1", 19, 21) == (
        unreachable["kind"],
        unreachable["about"],
        unreachable["first"],
        unreachable["ended_by"],
    )


def _then(keys: Keys, folder: Path, *reports: Any) -> Controls:
    for report in reports:
        signed(report, keys.private, folder)
    period = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    return _controls(Chain(folder, keys), period)


def _of_host(host: str, *found: Finding) -> Any:
    drill: Any = envelopes.drilled(host=host)
    drill["drill"]["hosts"] = drill["drill"]["hosts"][:1]
    return envelopes.envelope("monthly", {"drill": drill["drill"]}, findings=found)


LOST = Finding("lost", "web1:/srv/a", "the repository cannot produce it")


@pytest.mark.parametrize(
    ("after", "over"),
    [
        (lambda: _of_host("web1"), True),
        (lambda: _of_host("db1"), False),
        (envelopes.failed, False),
        (lambda: _of_host("web1", LOST), False),
        (lambda: envelopes.envelope("audit", {"audit": year.audit(1)}), False),
    ],
    ids=["looked-again", "another-host", "failed", "still-there", "audit"],
)
def test_only_a_look_at_the_same_ends_a_trouble(
    keys: Keys, tmp_path: Path, after: Callable[[], Any], over: bool
) -> None:
    section = _then(keys, tmp_path, _of_host("web1", LOST), after())
    found = next(trouble for trouble in section["troubles"] if trouble["kind"] == "lost")

    assert over is (found["ended"] is not None)
    assert over is (found["ended_by"] == 2)


def test_period_leaves_out_what_lies_outside(folder: Path, keys: Keys) -> None:
    until = datetime.fromisoformat(str(year.monthly(3)["finished"]))
    section = _controls(Chain(folder, keys), Period(year.FIRST + timedelta(days=20), until))

    assert [3, 4, 5, 6] == [test["number"] for test in section["tests"]]
    # What was good before the period began counts: nobody was without a look for longer.
    assert [30 * 86_400.0] * 2 == [host["longest_without_s"] for host in section["hosts"]]


def test_report_that_does_not_hold_is_not_counted(folder: Path, keys: Keys, tmp_path: Path) -> None:
    chain = Chain(tmp_path / "copy", keys)
    chain.folder.mkdir()
    for file in Chain(folder, keys).files:
        (chain.folder / file.name).write_bytes(file.read_bytes())
    chain.files[4].write_bytes(chain.files[4].read_bytes().replace(b"A", b"B", 1))
    section = _controls(chain)

    assert 5 not in [test["number"] for test in section["tests"]]
    assert (24, 23) == (section["signatures"]["reports"], section["signatures"]["holding"])


def test_sections_of_another_release_are_not_guessed_at(keys: Keys, tmp_path: Path) -> None:
    report: Any = envelopes.drilled()
    report["tool"]["restic-verify"] = "0.0.9"
    del report["drill"]["hosts"]
    section = _then(keys, tmp_path, report)

    assert [("monthly", "OK", [], None)] == [
        (test["kind"], test["verdict"], test["hosts"], test["packs"]) for test in section["tests"]
    ]
    assert () == problems(_envelope(section))


def _envelope(section: Controls, *found: Finding) -> dict[str, object]:
    return envelopes.envelope("report", {"controls": section}, findings=found)


def test_section_holds_its_schema(section: Controls, tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "empty").mkdir()
    nothing = controls(Chain(tmp_path / "empty", keys).verify([]), [], PERIOD)

    assert () == problems(_envelope(section))
    assert () == problems(_envelope(nothing))
    assert "No signed report of this period holds." in controls_page(_envelope(nothing))


def test_page_maps_evidence_to_controls(section: Controls) -> None:
    html = controls_page(_envelope(section, Finding("evidence-broken", "number 9", "is missing")))

    for said in (
        "ISO/IEC 27001:2022, A.8.13",
        "SOC 2, A1.2",
        "SOC 2, A1.3",
        "24 tests (12 audit, 12 monthly) of 2 hosts.",
        "The longest time without a test was 15 days.",
        "The longest time of a host without a good one was 60 days (web1).",
        "Verdicts: 22 OK, 1 CRITICAL, 1 UNKNOWN.",
        "2 failures seen, 2 of them over by a later test; 0 not over.",
        "The off-site copy was searched for a host&#39;s snapshots 24 times, and held a complete "
        "one 12 times.",
        "No newest snapshot was older than 1 day 2 h when it was looked at.",
        "717 backups succeeded and 3 failed.",
        "The longest time of a host without a good backup was 4 days (web1).",
        "Of web1, db1 it is counted from the first backup known, in this period.",
        "23 rehearsals of 2 of 2 hosts restored 8,740 files of 23 GiB.",
        "By the median of its measured rates, the slowest whole host would be back in 1 h 1 min "
        "(web1).",
        "number 9: is missing",
        '<td class="figure">11</td>',
    ):
        assert said in html
    assert "further reports of this period" not in html
    assert "4 further reports" in controls_page(_envelope({**section, "unsigned": 4}))


def test_page_obeys_no_name_and_fetches_nothing(keys: Keys, tmp_path: Path) -> None:
    report: Any = envelopes.drilled(corrupted=2, host=envelopes.HOSTILE)
    report["drill"]["off_site"]["hosts"][0]["host"] = envelopes.HOSTILE
    html = controls_page(_envelope(_then(keys, tmp_path, report)))

    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "://" not in html
    assert all(line.isprintable() for line in html.splitlines())
