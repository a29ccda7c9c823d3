"""`--keep-*` values, as restic takes them, and the slips it would take literally."""

from __future__ import annotations

import pytest

from verifier.config.policy import Value, parse_keep
from verifier.core.errors import UsageError
from verifier.core.policy import UNLIMITED, Duration, Policy


def test_every_rule_has_its_field() -> None:
    options: dict[str, Value | None] = {
        "keep-last": 1,
        "keep-hourly": "2",
        "keep-yearly": "unlimited",
        "keep-within": "1y5m7d2h",
        "keep-within-daily": "30d",
        "keep-tag": ["a,b", "", "c"],
        "keep-monthly": None,
    }

    expected = Policy(
        last=1,
        hourly=2,
        yearly=UNLIMITED,
        within=Duration(1, 5, 7, 2),
        within_daily=Duration(days=30),
        tags=(("a", "b"), ("",), ("c",)),
    )
    assert expected == parse_keep(options)


@pytest.mark.parametrize(
    "policy",
    [
        Policy(daily=30, weekly=5, monthly=12, yearly=10),
        Policy(last=UNLIMITED, within_hourly=Duration(hours=7), tags=(("a", "b"), ("c",))),
    ],
)
def test_a_policy_reads_what_it_prints(policy: Policy) -> None:
    options: dict[str, Value | None] = {}
    for option in policy.options():
        name, _, value = option.removeprefix("--").partition("=")
        before = options.get(name) or []
        options[name] = [*before, value] if name == "keep-tag" else value  # type: ignore[misc]

    assert policy == parse_keep(options)


@pytest.mark.parametrize("value", [0, "0", "00", None, ""])
def test_nothing_is_no_rule(value: Value | None) -> None:
    name = "keep-within" if value == "" else "keep-daily"

    assert not parse_keep({name: value})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("keep-daily", "-1", "write unlimited"),
        ("keep-daily", -5, "write unlimited"),
        ("keep-daily", "many", "write a number, or unlimited"),
        ("keep-daily", "٣", "write a number"),
        ("keep-daily", "1" * 5000, "write at most 100000"),
        ("keep-daily", True, "write a number"),
        ("keep-daily", ["1"], "write a number"),
        ("keep-daily", "", "write a number"),
        ("keep-within", "2w", "write 14d"),
        ("keep-within", "w", "write units"),
        ("keep-within", "-1d", "write units"),
        ("keep-within", "9" * 400 + "m", "write digits"),
        ("keep-within", "1001y", "write at most 1000 years"),
        ("keep-within", "\u07c0d", "write digits and units"),
        ("keep-within", 14, "in quotes"),
        ("keep-tag", 3, "write a list"),
        ("keep-dayly", 3, "did you mean --keep-daily?"),
        ("frobnicate", 3, "rules are"),
    ],
)
def test_a_slip_names_the_flag_and_a_remedy(name: str, value: Value, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_keep({name: value})

    assert f"--{name}" == caught.value.subject
    assert remedy in caught.value.remedy
