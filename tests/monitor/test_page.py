"""The page needs nothing but itself, obeys no name it shows, and leaves no survivor out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.monitor import envelopes
from tests.monitor.pictures import pictures
from verifier.core.finding import Finding
from verifier.monitor.render.page import FINDINGS_LISTED, page
from verifier.monitor.render.wording import moment, printable

REPORTS = {
    "simulate": envelopes.simulated(days=100),
    "cycle": envelopes.simulated(days=60, fidelity="cycle"),
    "model": envelopes.simulated(days=3, fidelity="model"),
    "one-day": envelopes.simulated(days=1),
    "hostile": envelopes.simulated(days=50, hosts=[envelopes.HOSTILE]),
    "plan": envelopes.planned(envelopes.HOSTILE),
    "monthly": envelopes.drilled(corrupted=3, host=envelopes.HOSTILE),
    "error": envelopes.failed(),
    "toolchain": envelopes.toolchain(),
}
_VOID = {"meta", "br", "hr", "img", "input", "link"}
_FETCHING = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"}


class _Reading(HTMLParser):
    """What a browser would see: balanced elements, their attributes, the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_page_is_balanced(report: dict[str, object]) -> None:
    reading = _Reading(page(report))

    assert reading.open == []
    assert {"main", "h1", "title"} <= set(reading.tags)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_page_runs_nothing_and_fetches_nothing(report: dict[str, object]) -> None:
    html = page(report)
    reading = _Reading(html)

    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(reading.tags)
    assert not [
        name for name, _ in reading.attributes if name in _FETCHING or name.startswith("on")
    ]
    assert not re.search(r"https?://|url\(|@import|javascript:", html)
    policy = next(value for _, value in reading.attributes if value.startswith("default-src"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; ")


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_page_can_be_written_as_utf8_and_hides_nothing(report: dict[str, object]) -> None:
    html = page(report)

    html.encode()
    assert all(line.isprintable() for line in html.splitlines())


@pytest.mark.parametrize("kind", ["hostile", "plan", "monthly"])
def test_hostile_name_is_shown_as_what_it_is(kind: str) -> None:
    shown = "".join(_Reading(page(REPORTS[kind])).text)

    assert printable(envelopes.HOSTILE) in shown


def test_page_holds_every_survivor() -> None:
    report: Any = envelopes.simulated()
    html = page(report)

    survivors = report["timeline"]["survivors"]
    assert len(survivors) == 123
    for survivor in survivors:
        assert moment(survivor["time"]) in html
    assert html.count('<td class="time">') == len(survivors)


def test_page_of_400_days_and_three_hosts_is_under_a_megabyte() -> None:
    assert len(page(envelopes.simulated(fidelity="cycle")).encode()) < 1_000_000


def test_pictures_are_xml_and_told_in_words() -> None:
    found = pictures(page(envelopes.simulated(days=100, fidelity="cycle")))

    # Size, duration, and two pictures for each of three groups.
    assert len(found) == 8
    names = [picture.get("aria-labelledby") for picture in found]
    assert len(set(names)) == len(names)
    for picture in found:
        assert picture.get("role") == "img"
        assert [child.tag for child in picture][:2] == ["title", "desc"]
        assert all(child.text for child in picture[:2])


def test_waterfall_has_one_line_a_snapshot() -> None:
    found = pictures(page(envelopes.simulated(down=("db1", 200, 206))))
    falls = [picture for picture in found if "Life of every" in (picture[0].text or "")]

    lines = [len(picture.findall(".//g/path")) for picture in falls]
    assert lines == [400, 400, 393]


def test_missed_backups_stand_over_the_waterfall() -> None:
    found = pictures(page(envelopes.simulated(days=300)))
    missed = [len(picture.findall("./rect[@class='missed']")) for picture in found]

    # The last group's host was down once; every second picture is a strip of restore points.
    assert missed == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(("fidelity", "shown"), [("cycle", True), ("decisions", False)])
def test_size_and_duration_are_drawn_only_where_measured(fidelity: str, shown: bool) -> None:
    html = page(envelopes.simulated(days=30, fidelity=fidelity))

    assert ("Size of the repository" in html) is shown
    assert ("Duration of each cycle" in html) is shown


def _many(days: int, hosts: int) -> dict[str, object]:
    """Return a long timeline of many hosts, all alike."""
    one = envelopes.timeline(days=days, hosts=["h0"], down=("", 0, 0))

    def each(snapshots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**s, "host": f"h{host}", "id": f"{host}{s['id']}"}
            for host in range(hosts)
            for s in snapshots
        ]

    for step in one["steps"]:
        step["created"], step["removed"] = each(step["created"]), each(step["removed"])
    one["survivors"], one["groups"] = each(one["survivors"]), each([{**one["groups"][0], "id": ""}])
    return envelopes.envelope("simulate", {"timeline": one})


def test_many_groups_are_drawn_in_part_and_the_page_says_so() -> None:
    html = page(_many(400, 40))

    assert len(pictures(html)) == 2 * 12
    assert "Pictures are drawn of the first 12 of 40 groups; the tables hold all of them." in html
    assert html.count('<td class="time">') == 40 * 41


def test_ten_years_of_many_hosts_make_a_page_of_modest_size() -> None:
    html = page(_many(3650, 10))

    assert "Pictures are drawn of the first 3 of 10 groups" in html
    assert len(html) < 1_500_000


def test_snapshots_without_a_line_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.monitor.render.story.LINES_DRAWN", 50)

    html = page(envelopes.simulated(days=120, hosts=["web1"]))
    assert "70 snapshots that went soonest have no line." in html
    assert len(pictures(html)[0].findall(".//g/path")) == 50


@pytest.mark.parametrize(
    ("checked", "violated", "state"), [(9, 0, "holds"), (9, 2, "broken"), (0, 0, "unchecked")]
)
def test_promise_is_shown_as_it_stands(checked: int, violated: int, state: str) -> None:
    timeline = envelopes.timeline(days=3)
    timeline["invariants"] = [
        {"name": "n", "stated": "The promise.", "checked": checked, "violated": violated}
    ]

    html = page(envelopes.envelope("simulate", {"timeline": timeline}))
    assert f'<li class="{state}"><span>The promise.' in html


@pytest.mark.parametrize(("agreed", "state"), [(400, "holds"), (399, "broken")])
def test_agreement_is_whole_or_broken(agreed: int, state: str) -> None:
    timeline = envelopes.timeline(days=3) | {"agreement": {"decisions": 400, "agreed": agreed}}

    html = page(envelopes.envelope("simulate", {"timeline": timeline}))
    assert f'<li class="{state}"><span>{agreed} of 400 decisions agreed' in html


def test_findings_past_the_limit_are_counted() -> None:
    html = page(envelopes.drilled(corrupted=FINDINGS_LISTED + 13))

    assert "… and 13 more; the JSON report lists every one." in html
    assert html.count('<td class="evidence">') == FINDINGS_LISTED


def test_worst_finding_stands_first() -> None:
    found = (Finding("changed", "a", "newer"), Finding("lost", "b", "gone"))
    html = page(envelopes.envelope("drill", {}, findings=found))

    assert html.index("<b>lost</b>") < html.index("<b>changed</b>")


def test_plan_lists_both_fates_newest_first() -> None:
    html = page(envelopes.planned())

    assert html.count("<td>keep</td>") == 41
    assert html.count("<td>remove</td>") == 359
    assert html.index("2025-02-03") < html.index("2024-12-31") < html.index("2024-01-01")


def test_plan_tells_its_surprises_and_whether_forget_refuses() -> None:
    healthy = page(envelopes.planned())
    refusing = page(envelopes.planned(refused="refusing to delete last snapshot"))

    assert healthy.count("web1 /srv: it receives nothing any more") == 1
    assert "Nothing is removed." not in healthy
    assert "<b>Nothing is removed.</b> refusing to delete last snapshot" in refusing


def test_drill_counts_each_kind_for_each_host() -> None:
    text = " ".join(_Reading(page(envelopes.drilled(corrupted=5))).text).split()

    for word in ("identical", "corrupted", "changed", "14,848", "5", "12", "db1"):
        assert word in text


def test_timeline_that_ends_with_nothing_says_so() -> None:
    timeline = envelopes.timeline(days=5, hosts=["web1"])
    timeline["survivors"] = []

    assert "No restore point is left." in page(
        envelopes.envelope("simulate", {"timeline": timeline})
    )


def test_timeline_without_steps_has_a_page() -> None:
    timeline = envelopes.timeline(days=1) | {
        "created": 0,
        "steps": [],
        "survivors": [],
        "groups": [],
        "invariants": [],
    }

    assert "0 of 0 snapshots survive" in page(
        envelopes.envelope("simulate", {"timeline": timeline})
    )
