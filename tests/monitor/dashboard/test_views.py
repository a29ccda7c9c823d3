"""Durations, logs, proofs and restore points: what each page makes of the rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.monitor.dashboard.ground import (
    DAY,
    HOSTS,
    NOW,
    ZONE,
    at_four,
    backup,
    cycle,
    terms,
)
from tests.monitor.pictures import parsed
from verifier.core.finding import Verdict
from verifier.core.snapshot import Snapshot
from verifier.monitor.dashboard.views.coverage import MARKS, coverage_rows, marks_picture
from verifier.monitor.dashboard.views.cycles import LINES, cycle_row, log_part, shortened
from verifier.monitor.dashboard.views.durations import (
    DURATION,
    Change,
    Point,
    figures,
    release_changes,
    series_picture,
    usual_times,
)
from verifier.monitor.dashboard.views.retention import (
    calendar_days,
    calendar_picture,
    modelled,
    retention_view,
)
from verifier.monitor.history.reports import Verification, Verified
from verifier.monitor.history.runs import PastCycle
from verifier.monitor.telemetry import BackupRun, LogLine

TODAY = NOW.astimezone(ZONE).date()


def points(releases: str, *, failed: int = -1) -> list[Point]:
    """Return a point a day; each letter is a release, a blank none."""
    first = NOW - len(releases) * DAY
    return [
        Point(first + n * DAY, 60.0 + n, n != failed, letter.strip())
        for n, letter in enumerate(releases)
    ]


def test_change_of_a_release_is_where_it_changed() -> None:
    found = points("aa b bba")

    assert (Change(found[3].at, "a", "b"), Change(found[7].at, "b", "a")) == release_changes(found)
    assert () == release_changes(points("aaaa"))
    assert () == release_changes([])


def test_figures_are_of_good_runs() -> None:
    found = figures(points("aaaa", failed=3))

    assert (4, 1, 61.0, 62.0) == (found.runs, found.failed, found.usual, found.most)


@pytest.mark.parametrize("count", [1, 2, 90, 5_000])
def test_picture_of_durations_is_xml_of_modest_size(count: int) -> None:
    first = NOW - count * timedelta(hours=8)
    runs = [
        Point(first + n * timedelta(hours=8), 60.0 + n % 50, n % 97 != 5, "0.17.3")
        for n in range(count)
    ]
    svg = series_picture("d", "Duration", runs, DURATION, first, NOW)
    picture = parsed(svg)

    assert len(svg) < 90_000
    assert "img" == picture.get("role")
    assert f"{count:,} run" in (picture[1].text or "")
    assert sum(not p.succeeded for p in runs) == len(picture.findall("./rect[@class='missed']"))


def test_releases_are_lines_with_names() -> None:
    svg = series_picture("d", "Duration", points("aab"), DURATION, NOW - 3 * DAY, NOW)
    picture = parsed(svg)

    assert 1 == len(picture.findall("./line[@class='release']"))
    assert "restic b" in svg


def test_curve_breaks_where_nothing_ran() -> None:
    runs = points("aaaaaaaa")
    whole = series_picture("d", "D", runs, DURATION, runs[0].at, NOW)
    broken = series_picture("d", "D", [*runs[:2], *runs[6:]], DURATION, runs[0].at, NOW)

    assert (1, 2) == (whole.count('class="curve"'), broken.count('class="curve"'))


def test_usual_time_is_held_against_the_month_before() -> None:
    runs = [backup("web1", NOW - n * DAY, status=int(n == 3)) for n in reversed(range(1, 60))]
    slower = [
        BackupRun(
            r.host, r.began_at, r.duration_s * (2 if r.began_at > NOW - 30 * DAY else 1), r.status
        )
        for r in runs
    ]
    (web1, db1) = usual_times(slower, ("web1", "db1"), NOW)

    assert (30, 1) == (web1.runs, web1.failed)
    assert web1.grown_percent is not None
    assert 80 < web1.grown_percent < 120
    assert (0, None, None) == (db1.runs, db1.now_s, db1.grown_percent)


@pytest.mark.parametrize(
    ("failed", "status", "verdict", "word"),
    [
        ((), 0, Verdict.OK, "done"),
        (("db1",), 0, Verdict.CRITICAL, "failed"),
        ((), 1, Verdict.CRITICAL, "failed"),
        ((), None, Verdict.UNKNOWN, "end not heard of"),
    ],
)
def test_cycle_is_as_good_as_its_worst_part(
    failed: tuple[str, ...], status: int | None, verdict: Verdict, word: str
) -> None:
    from dataclasses import replace

    run = replace(cycle(TODAY, failed=failed)[0], status=status)
    row = cycle_row(PastCycle(7, run))

    assert (verdict, word, failed) == (row.verdict, row.word, row.failed)


@pytest.mark.parametrize(
    ("lines", "wanted", "number", "parts", "shown"),
    [
        (0, 1, 1, 1, 0),
        (3, 1, 1, 1, 3),
        (LINES, 1, 1, 1, LINES),
        (LINES + 1, 2, 2, 2, 1),
        (3, 9, 1, 1, 3),
    ],
)
def test_log_comes_in_parts(lines: int, wanted: int, number: int, parts: int, shown: int) -> None:
    log = [LogLine(NOW, "jak", "run-backups", str(n)) for n in range(lines)]
    part = log_part(log, wanted)

    assert (number, parts, shown, lines) == (part.number, part.parts, len(part.lines), part.total)


def test_long_line_is_cut_and_says_so() -> None:
    assert "short" == shortened("short")
    assert shortened("x" * 2_001).endswith(" … 1 letter more")


def looks(host: str, *verdicts: str) -> Verified:
    """Return what is known of a host that was verified monthly, the last time 10 days ago."""
    known = [
        Verification(host, NOW - (10 + 30 * (len(verdicts) - 1 - n)) * DAY, verdict, n)  # type: ignore[arg-type]
        for n, verdict in enumerate(verdicts)
    ]
    good = [one for one in known if one.verdict in {"OK", "WARNING"}]
    return Verified(known[-1], good[-1] if good else None)


def test_coverage_is_worst_first_and_nothing_proven_is_not_good() -> None:
    verified = {
        "web1": looks("web1", "OK"),
        "db1": looks("db1", "OK", "CRITICAL", "CRITICAL"),
        "old1": looks("old1", "OK"),
    }
    rows = coverage_rows(verified, (), {}, terms(), NOW)

    assert [
        ("db1", Verdict.CRITICAL, "too long ago"),
        ("mail1", Verdict.UNKNOWN, "never proven"),
        ("web1", Verdict.OK, "proven"),
        ("old1", Verdict.OK, "no longer backed up"),
    ] == [(row.host, row.verdict, row.word) for row in rows]


def test_marks_are_the_newest_and_told_in_words() -> None:
    many = [Verification("web1", NOW - n * DAY, "OK", n) for n in reversed(range(40))]
    rows = coverage_rows({"web1": looks("web1", "OK")}, many, {}, terms(("web1",)), NOW)
    picture = parsed(marks_picture("web1", rows[0].marks))

    assert MARKS == len(picture.findall("./g"))
    assert "2026-11-28 OK" in (picture[0].text or "")


def test_modelled_restore_points_are_those_of_the_policy() -> None:
    runs = [backup("web1", at_four(TODAY - n * DAY)) for n in reversed(range(400))]
    view = retention_view(modelled("web1", runs, terms(), NOW), terms(), NOW)

    assert {"daily": 30, "monthly": 10, "oldest": 1} == view.held()
    assert at_four(TODAY) == view.points[0].taken_at
    assert all(point.reasons for point in view.points)


def test_what_goes_is_what_forget_removes() -> None:
    runs = [backup("web1", at_four(TODAY - n * DAY)) for n in reversed(range(31))]
    snapshots = modelled("web1", runs, terms(), NOW)
    view = retention_view(snapshots, terms(), NOW)
    going = {point.id: point.goes_at for point in view.going}

    # Tomorrow the oldest of thirty days is one day too many; the month's last one stays.
    oldest = min((s for s in snapshots if s.id in going), key=lambda s: s.taken_at)
    assert NOW + DAY == going[oldest.id]
    assert all(NOW < at <= NOW + 30 * DAY for at in going.values() if at)
    month_end = next(s for s in snapshots if s.taken_at.date().isoformat() == "2026-10-31")
    assert month_end.id not in going
    assert sorted(going.values()) == [point.goes_at for point in view.going]


def test_nothing_goes_where_everything_is_kept() -> None:
    snapshots = [Snapshot("a" * 64, NOW - DAY, "web1", ("/etc",))]

    assert () == retention_view(snapshots, terms(), NOW).going
    assert () == retention_view((), terms(), NOW).points


def test_calendar_shows_every_day_of_a_year() -> None:
    runs = [
        backup("web1", at_four(TODAY - n * DAY), status=int(n == 40))
        for n in reversed(range(100))
        if n != 50
    ]
    view = retention_view(modelled("web1", runs, terms(), NOW), terms(), NOW)
    days = calendar_days(view, runs, terms(), NOW)
    by_day = {day.day: day for day in days}
    picture = parsed(calendar_picture("web1", days))
    by_rule = {point.rule for point in view.points}

    assert (0, TODAY) == (days[0].day.weekday(), days[-1].day)
    assert "daily" == by_day[TODAY - DAY].state or "weekly" == by_day[TODAY - DAY].state
    assert "failed" == by_day[TODAY - 40 * DAY].state
    assert "bare" == by_day[TODAY - 50 * DAY].state
    assert "gone" == by_day[TODAY - 45 * DAY].state
    assert by_day[TODAY - 25 * DAY].going
    assert len(days) == len(picture.findall("./rect"))
    # The history begins 99 days ago: before it, nobody knows of a day without a backup.
    assert "unknown" == by_day[TODAY - 100 * DAY].state
    assert f"{TODAY - 100 * DAY}: no history" == by_day[TODAY - 100 * DAY].words
    assert {"unknown"} == {day.state for day in calendar_days(view, (), terms(), NOW)} - by_rule


def test_history_older_than_the_calendar_leaves_no_day_of_it_unknown() -> None:
    runs = [backup("web1", at_four(TODAY - n * DAY)) for n in (500, 3)]
    days = calendar_days(retention_view((), terms(), NOW), runs, terms(), NOW)

    assert {"bare", "gone"} == {day.state for day in days}


def test_hosts_of_the_ground_are_those_of_the_terms() -> None:
    assert HOSTS == terms().hosts
