"""What was proven when: each host's verifications over the last year and a half, and its age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier.core.finding import Verdict
from verifier.monitor.alerts.watch import Watch
from verifier.monitor.dashboard.terms import Terms
from verifier.monitor.dashboard.views.now import verified_level
from verifier.monitor.history.reports import Verification, Verified
from verifier.monitor.render.svg import element, label, titled
from verifier.monitor.render.wording import moment

SHOWN = timedelta(days=550)
"""How far back verifications are shown."""

MARKS = 24
"""How many of them a row shows at most: the newest."""

_WIDTH_PX, _HEIGHT_PX, _STEP_PX = 13, 18, 15
_SIGNS = {"OK": "✓", "WARNING": "!", "CRITICAL": "✗", "UNKNOWN": "?"}


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One host.

    Attributes:
        verdict, word: of the age of its last good verification.
        marks: its last verifications, the oldest first.
    """

    host: str
    verdict: Verdict
    word: str
    verified: Verified | None
    marks: tuple[Verification, ...]


def coverage_rows(
    verified: Mapping[str, Verified],
    recent: Iterable[Verification],
    watches: Mapping[str, Watch],
    terms: Terms,
    now: datetime,
) -> tuple[CoverageRow, ...]:
    """Return a row for every host that is expected or was ever verified, worst first."""
    marks: dict[str, list[Verification]] = {}
    for one in recent:
        marks.setdefault(one.host, []).append(one)
    rows = []
    for host in dict.fromkeys((*terms.hosts, *verified)):
        theirs = verified.get(host)
        level = verified_level(host, theirs, watches, terms, now)
        if host not in terms.hosts:
            level, word = Verdict.OK, "no longer backed up"
        elif theirs is None or theirs.good is None:
            word = "never proven"
        else:
            word = "proven" if level is Verdict.OK else "too long ago"
        rows.append(CoverageRow(host, level, word, theirs, tuple(marks.get(host, ())[-MARKS:])))
    return tuple(sorted(rows, key=lambda row: -row.verdict.rank))


def marks_picture(host: str, marks: Sequence[Verification]) -> str:
    """Return a row of squares, one a verification, each with a sign of its verdict."""
    drawn = []
    for place, mark in enumerate(marks):
        x = place * _STEP_PX
        drawn.append(
            element(
                "g",
                titled(f"{moment(mark.at.isoformat())}: {mark.verdict}"),
                element("rect", x=x, width=_WIDTH_PX, height=_HEIGHT_PX, rx=2),
                label(_SIGNS.get(mark.verdict, "?"), x=x + _WIDTH_PX / 2, y=13),
                class_=f"mark {mark.verdict.lower()}",
            )
        )
    told = ", ".join(f"{mark.at:%Y-%m-%d} {mark.verdict}" for mark in marks)
    return element(
        "svg",
        titled(f"{host}: {told or 'never verified'}"),
        *drawn,
        class_="marks",
        role="img",
        width=max(len(marks), 1) * _STEP_PX,
        height=_HEIGHT_PX,
    )
