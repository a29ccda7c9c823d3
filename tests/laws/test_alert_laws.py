"""Laws of incidents, over drawn schedules, successes, failures, rules, silences and looks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.monitor.alerts.advance import Terms, advance
from verifier.monitor.alerts.rule import Dues, Rule
from verifier.monitor.alerts.silence import Silence
from verifier.monitor.alerts.transition import News, Transition
from verifier.monitor.alerts.watch import Watch, begin_watch, parse_watch, render_watch

BEGIN = datetime(2024, 3, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
END = BEGIN + timedelta(minutes=600)

instants = st.integers(0, 600).map(lambda n: BEGIN + n * MINUTE)
spans = st.integers(1, 150).map(lambda n: n * MINUTE)


@st.composite
def _news(draw: st.DrawFn) -> News:
    # What began before the watch is heard of in it: a host that stopped long ago.
    at = BEGIN + draw(st.integers(-200, 600)) * MINUTE
    known_at = max(at + draw(st.integers(0, 90)) * MINUTE, BEGIN)
    return News(at, known_at, draw(st.booleans()))


@st.composite
def _rules(draw: st.DrawFn) -> Rule:
    warn_age = draw(spans)
    damping = draw(st.one_of(st.just(timedelta()), spans))
    return Rule(warn_age, warn_age + draw(spans), draw(spans), draw(spans), damping)


@st.composite
def _silences(draw: st.DrawFn) -> Silence:
    from_at = draw(instants)
    return Silence(draw(st.sampled_from(["*", "web1", "db1"])), from_at, from_at + draw(spans))


@dataclass(frozen=True)
class Case:
    """One subject's fate, and what it is held to."""

    rule: Rule
    dues: list[datetime]
    news: list[News]
    silences: list[Silence]

    @property
    def terms(self) -> Terms:
        """What the watch is held to."""
        return Terms(self.rule, Dues(self.dues), self.silences)


cases = st.builds(
    Case,
    _rules(),
    st.lists(instants, max_size=12),
    st.lists(_news(), max_size=12),
    st.one_of(st.just([]), st.lists(_silences(), max_size=3)),
)
open_cases = cases.map(lambda case: Case(case.rule, case.dues, case.news, []))


def watched(case: Case, looks: Sequence[datetime]) -> tuple[Watch, list[Transition]]:
    """Look at some instants, each time with all that is known by then."""
    watch, told = begin_watch("web1", BEGIN), []
    for now in looks:
        heard = [one for one in case.news if one.known_at <= now]
        watch, spoken = advance(watch, case.terms, heard, now)
        watch = parse_watch(json.loads(json.dumps(render_watch(watch))))
        told += spoken
    return watch, told


@given(cases, st.lists(instants, max_size=30))
@settings(max_examples=150)
def test_who_looks_often_is_told_what_who_looks_once_is(case: Case, looks: list[datetime]) -> None:
    assert watched(case, [END]) == watched(case, [*sorted(looks), END])


@given(cases, instants)
def test_second_look_at_the_same_instant_tells_nothing(case: Case, now: datetime) -> None:
    watch, _ = watched(case, [now])
    heard = [one for one in case.news if one.known_at <= now]

    assert (watch, ()) == advance(watch, case.terms, heard, now)


@given(cases)
def test_one_incident_is_open_at_a_time_and_ends_once(case: Case) -> None:
    watch, told = watched(case, [END])
    letters = "".join({"opened": "o", "escalated": "e"}.get(t.kind, t.kind[2]) for t in told)

    assert re.fullmatch(r"(om*(em*)?s)*(om*(em*)?)?", letters)
    assert [t.at for t in told] == sorted(t.at for t in told)
    assert (not letters.endswith("s") and bool(letters)) == (
        watch.incident is not None and watch.incident.told is not None
    )


@given(cases)
def test_success_that_lasts_ends_every_incident(case: Case) -> None:
    """Nothing is due any more after a success, and time passes."""
    done = News(END, END, succeeded=True)
    mended = Case(case.rule, case.dues, [*case.news, done], case.silences)
    watch, told = watched(mended, [END + case.rule.damping + 90 * MINUTE])
    kinds = [t.kind for t in told]

    assert None is watch.incident
    assert kinds.count("opened") == kinds.count("resolved")


def _is_late(case: Case, at: datetime) -> bool:
    """Say by the definition alone whether somebody should know of an incident at an instant."""
    known = [one for one in case.news if one.known_at <= at]
    good_at = max((one.at for one in known if one.succeeded), default=BEGIN)
    limit = good_at + case.rule.warn_age
    in_time = [due for due in case.dues if good_at < due <= limit]
    after = [due for due in case.dues if due > limit]
    if at < limit or not (in_time or after):
        return False
    chance = max(in_time) if in_time else min(after)
    has_failed = any(not one.succeeded and chance <= one.known_at for one in known)
    return (chance <= at and has_failed) or at >= max(limit, chance) + case.rule.allow


@given(open_cases)
def test_incident_is_open_when_and_only_when_it_should_be(case: Case) -> None:
    plain = Case(
        Rule(case.rule.warn_age, case.rule.alarm_age, case.rule.allow, damping=timedelta()),
        case.dues,
        case.news,
        [],
    )
    terms, watch = plain.terms, begin_watch("web1", BEGIN)
    for minute in range(0, 600, 7):
        now = BEGIN + minute * MINUTE
        watch, _ = advance(watch, terms, plain.news, now)

        assert _is_late(plain, now) == (watch.incident is not None)


@given(open_cases)
def test_alarm_is_never_sooner_than_its_age(case: Case) -> None:
    _, told = watched(case, [END])

    assert all(t.age >= case.rule.warn_age for t in told if t.kind == "opened")
    assert all(t.age >= case.rule.alarm_age for t in told if t.kind == "escalated")


@given(cases)
def test_nothing_new_is_told_in_a_silence(case: Case) -> None:
    _, told = watched(case, [END])
    hushed = [s for s in case.silences if s.subject != "db1"]

    assert not [
        t
        for t in told
        if t.kind != "resolved" and any(s.from_at <= t.at < s.until_at for s in hushed)
    ]
