"""Pictures show the values they are made of: bends, ticks, curves and legends."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tests.monitor import envelopes
from tests.monitor.pictures import parsed
from verifier.monitor.render.charts import legend, longest, restore_points, series, waterfall
from verifier.monitor.render.lives import Calendar, Group, calendar_of, follow
from verifier.monitor.render.scales import sizes


@pytest.fixture(scope="module")
def story() -> tuple[Group, Calendar]:
    timeline = envelopes.timeline(days=400, hosts=["web1"])
    return follow(timeline, limit=1)[0], calendar_of(timeline)


def _points(path: ElementTree.Element) -> list[tuple[float, float]]:
    places = path.get("d", "").strip("MZ").split("L")
    return [(float(x), float(y)) for x, y in (place.split() for place in places)]


def test_lines_bend_only_where_the_scale_does(story: tuple[Group, Calendar]) -> None:
    group, calendar = story
    picture = parsed(waterfall("w", group, group.lives, calendar))
    border = float(picture.findall("./line[@class='bend']")[0].get("y1", ""))

    lines = [_points(path) for path in picture.findall(".//g/path")]
    assert {len(line) for line in lines} == {2, 3}
    assert {line[1][1] for line in lines if len(line) == 3} == {border}
    assert all(line[-1][1] <= border for line in lines if len(line) == 2)


def test_line_runs_from_birth_to_removal(story: tuple[Group, Calendar]) -> None:
    group, calendar = story
    picture = parsed(waterfall("w", group, group.lives, calendar))
    daily = picture.findall("./svg/g[@class='lives daily']/path")

    first, last = _points(daily[0]), _points(daily[-1])
    assert (first[0], first[1][0]) == ((1, 0), 31)
    # The newest has no age yet: a dot at the upper right corner.
    assert last == [(399, 0), (399, 0)]


def test_strip_has_one_tick_a_restore_point(story: tuple[Group, Calendar]) -> None:
    group, _ = story
    picture = parsed(restore_points("r", group))
    ticks = [path for path in picture.iter("path") if path.get("class", "").startswith("point ")]

    assert len(ticks) == len(group.survivors) == 41


def test_curve_falls_to_nothing_at_every_restore_point(story: tuple[Group, Calendar]) -> None:
    group, _ = story
    picture = parsed(restore_points("r", group))
    curve = next(path for path in picture.iter("path") if path.get("class") == "curve")
    foot = max(y for _, y in _points(curve))

    assert len({x for x, y in _points(curve) if y == foot}) == 41


def test_dots_of_the_table_lie_on_the_curve(story: tuple[Group, Calendar]) -> None:
    """Table and curve are reckoned apart, by simulation and by picture: they must agree."""
    group, _ = story
    picture = parsed(restore_points("r", group))
    plot = picture.findall("./svg")[1]
    curve = _points(next(path for path in plot if path.get("class") == "curve"))
    dots = [
        (float(dot.get("cx", "")[:-1]) * 10, float(dot.get("cy", "")) - float(plot.get("y", "")))
        for dot in picture.iter("circle")
    ]

    assert len(dots) == 16
    for x, y in dots:
        heights = [
            y1 + (y2 - y1) * (x - x1) / (x2 - x1)
            for (x1, y1), (x2, y2) in pairwise(curve)
            if x1 - 0.2 <= x <= x2 + 0.2 and x2 > x1
        ]
        assert min(abs(height - y) for height in heights) < 1


def test_legend_counts_every_line(story: tuple[Group, Calendar]) -> None:
    group, _ = story

    assert [entry.text for entry in legend(group.lives)] == [
        "daily (387)",
        "monthly (12)",
        "the oldest of its group (1)",
    ]


def test_what_lasted_longest_is_drawn_first_of_all(story: tuple[Group, Calendar]) -> None:
    group, _ = story
    chosen = longest(group.lives, 41)

    assert all(life.survives for life in chosen)
    assert list(chosen) == sorted(chosen, key=lambda life: life.start_day)
    assert longest(group.lives, 400) == group.lives


def test_long_series_keeps_its_highest_point(story: tuple[Group, Calendar]) -> None:
    _, calendar = story
    points = [(day / 10, 50.0 if day == 1234 else 1.0) for day in range(3990)]
    picture = parsed(series("s", points, sizes(50), calendar, title="t", description="d"))
    curve = next(path for path in picture.iter("path") if path.get("class") == "curve")

    assert len(_points(curve)) <= 1000
    assert min(y for _, y in _points(curve)) == pytest.approx(
        150 * (1 - 50 / sizes(50).top), abs=0.01
    )
