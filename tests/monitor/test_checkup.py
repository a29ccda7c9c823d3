"""A check-up in lines: signs, words where a terminal has none, remedies below, nothing hidden."""

from __future__ import annotations

from typing import cast

from tests.monitor import envelopes
from verifier.core.checkup import (
    Check,
    broken,
    checkup_coverage,
    checkup_findings,
    checkup_section,
    fine,
    flawed,
    needless,
    unclear,
)
from verifier.core.report import conclude
from verifier.monitor.render.checkup import WIDTH, checkup_lines
from verifier.monitor.render.envelope import CheckRecord
from verifier.monitor.render.page import page
from verifier.monitor.render.schema import problems
from verifier.monitor.render.text import text

CHECKS = (
    Check("this machine", "python", fine("Python 3.11.7")),
    Check("this machine", "clock", flawed("nothing keeps it right", "run a time service")),
    Check("host web1", "line", broken(f"refused by {envelopes.HOSTILE}", "start sshd")),
    Check("host web1", "clock", needless("not asked until `line` is well")),
    Check("host web1", "restic", needless("not asked until `line` is well")),
    Check("host db1", "probe", unclear("says nothing", "look " + "at it and " * 12)),
)


def report() -> dict[str, object]:
    """Return a report of `doctor`."""
    return conclude(
        "doctor",
        tuple(checkup_findings(CHECKS)),
        checkup_coverage(CHECKS),
        started_at=envelopes.FIRST,
        finished_at=envelopes.FIRST,
        tool={},
        sections={"checks": checkup_section(CHECKS)},
    ).envelope()


def lines(*, plain: bool = False) -> list[str]:
    """Return the lines of the checks."""
    records = cast("list[CheckRecord]", checkup_section(CHECKS))
    return list(checkup_lines(records, plain=plain))


def test_every_answer_has_its_sign() -> None:
    said = lines()

    assert ["✓", "!", "✗", "·", "?"] == [line[2] for line in said if line[2:3] in set("✓!✗·?")]
    assert ["This machine", "Host web1", "Host db1"] == [
        line for line in said if line and not line.startswith(" ")
    ]


def test_plain_signs_are_words() -> None:
    said = lines(plain=True)

    assert {"[ok]", "[!!]", "[XX]", "[--]", "[??]"} <= set(" ".join(said).split())
    assert not {"✓", "✗", "→", "·"} & set("".join(said))


def test_every_trouble_is_followed_by_its_remedy() -> None:
    said = lines()
    arrows = [line.partition("→ ")[2] for line in said if "→ " in line]

    assert ["run a time service", "start sshd"] == arrows[:2]
    assert "look at it" in arrows[2]
    assert max(map(len, said)) <= WIDTH


def test_what_was_not_asked_for_one_reason_is_said_once() -> None:
    assert ["  · clock, restic: not asked until `line` is well"] == [
        line for line in lines() if "·" in line
    ]


def test_the_report_tells_each_trouble_once_and_follows_its_schema() -> None:
    found = report()
    whole = text(found)

    assert () == problems(found)
    assert whole.startswith(
        "CRITICAL: unprepared 1, could-not-verify 1, imperfect 1; 1 of 4 checks of 3 subjects"
    )
    assert 1 == whole.count("start sshd")
    assert "\x1b" not in whole
    assert "\x1b[1;31m✗\x1b[0m" in text(found, colour=True)
    assert "<script>alert" not in page(found)
    assert "start sshd" in page(found)
