"""What is wrong with a scenario file is said with its line, its key and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config.scenario import load_scenario, parse_scenario
from verifier.core.errors import ConfigError

GOOD = """\
schema = 1

[scenario]
about = "A host is down."
fidelity = ["model"]

[[faults.clock-wrong]]
host = "web1"
from = 2024-03-01
to = 2024-03-02
by = "-3h"

[expect]
verdict = "OK"

[[expect.survivors]]
host = "web1"
count = 3
"""


def refused(old: str, new: str) -> ConfigError:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse_scenario(GOOD.replace(old, new), "some.toml")
    return caught.value


def test_good_file_is_taken() -> None:
    scenario = parse_scenario(GOOD, "folder/some.toml")

    assert "some" == scenario.name
    assert ["web1", "db1", "mail1"] == [host.name for host in scenario.config.hosts]
    assert -3 * 3_600 == scenario.faults.clock_wrong[0].by.total_seconds()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "remedy"),
    [
        ("by =", "bye = 1\nby =", 11, "faults.clock-wrong[0].bye", "did you mean 'by'?"),
        ("clock-wrong", "clock-wrog", 7, "faults.clock-wrog", "did you mean 'clock-wrong'?"),
        ("[expect]\n", "[expects]\n", 13, "expects", "did you mean 'expect'?"),
        ('"-3h"', '"3h"', 11, "faults.clock-wrong[0].by", "with its sign"),
        ("2024-03-02", "2024-02-02", 7, "faults.clock-wrong[0]", "exchange"),
        ('host = "web1"\nfrom', 'host = "web"\nfrom', 8, "faults.clock-wrong[0].host", "web1"),
        ('["model"]', '["modle"]', 5, "scenario.fidelity[0]", "one of these"),
        ('["model"]', "[]", 5, "scenario.fidelity", "name one"),
        ('["model"]', '["cycle"]', 5, "scenario.fidelity", "faults.clock-wrong"),
        ('"OK"', '"FINE"', 14, "expect.verdict", "one of these"),
        ("schema = 1", "schema = 2", 1, "schema", "one of these"),
        ("schema = 1", "schema = 1\n[retentio]", 2, "retentio", "did you mean 'retention'?"),
        (
            'fidelity = ["model"]',
            'fidelity = ["model"]\nrestic = "0.1"',
            6,
            "scenario.restic",
            "0.11",
        ),
    ],
)
def test_fault_of_a_file_is_placed(old: str, new: str, line: int, key: str, remedy: str) -> None:
    error = refused(old, new)

    assert (line, key) == (error.line, error.key)
    assert remedy in error.remedy


def test_unknown_kind_of_finding_is_refused() -> None:
    error = refused(
        '[[expect.survivors]]\nhost = "web1"\ncount = 3', '[[expect.findings]]\nkind = "gab"'
    )

    assert "expect.findings[0].kind" == error.key
    assert "did you mean 'gap'?" == error.remedy


@pytest.mark.parametrize(
    "old", ['[[expect.survivors]]\nhost = "web1"\ncount = 3\n', GOOD[GOOD.index("[expect]") :]]
)
def test_scenario_that_expects_nothing_is_refused(old: str) -> None:
    error = refused(old, "")

    assert "expect" == error.key
    assert "[[expect.findings]]" in error.remedy


def test_both_halves_of_a_file_are_complained_of_together() -> None:
    error = refused('verdict = "OK"', 'verdict = "no"\n[simulate]\ndays = 0')

    assert "simulate.days" in str(error)
    assert "expect.verdict" in str(error)


def test_fault_of_a_real_cycle_is_refused_elsewhere() -> None:
    error = refused("[expect]\n", "[[faults.lock-left]]\nafter = 2024-03-01\n\n[expect]\n")

    assert "scenario.fidelity" == error.key
    assert "lock-left" in error.remedy


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_scenario(tmp_path / "none.toml")
