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


UPGRADED = """\
[[faults.restic-upgraded]]
hosts = ["jak", "web1"]
from = 2024-03-01
restic = "0.18.0"

[expect]
"""


def test_coordinator_may_be_upgraded_like_a_host() -> None:
    text = GOOD.replace('["model"]', '["cycle"]').replace("[[faults.clock", "[[other.clock")
    text = text[: text.index("[[other")] + UPGRADED + text.split("[expect]\n")[1]

    assert ("jak", "web1") == parse_scenario(text, "x").faults.restic_upgraded[0].hosts
    for old, new, key in (
        ('"jak"', '"jack"', "faults.restic-upgraded[0].hosts[0]"),
        ('"0.18.0"', '"latest"', "faults.restic-upgraded[0].restic"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_scenario(text.replace(old, new), "x")
        assert key == caught.value.key


@pytest.mark.parametrize(
    "offsite", ["", '[offsite]\nmethod = "restic-copy"\ntarget = "/mnt/copy"\n']
)
def test_store_that_fails_needs_a_copy_by_rclone(offsite: str) -> None:
    fault = "[[faults.offsite-refused]]\nfrom = 2024-03-01\nto = 2024-03-02\n"
    text = GOOD.replace('["model"]', '["cycle"]').replace(
        "[expect]\n", f"{fault}{offsite}[expect]\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text, "some.toml")

    assert "found no off-site copy that can fail" in str(caught.value)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_scenario(tmp_path / "none.toml")


ALERT = '[[expect.alerts]]\nhost = "web1"\nlevel = "warning"\n'
POINT = '[[expect.recovery]]\nhost = "web1"\nhours = 24\n'


def test_scenario_may_expect_alerts_or_recovery_points_alone() -> None:
    survivors = '[[expect.survivors]]\nhost = "web1"\ncount = 3\n'
    for alone in (ALERT, POINT, "alerts = []\n"):
        assert parse_scenario(GOOD.replace(survivors, alone), "x.toml").expect.survivors == ()
    assert parse_scenario(GOOD, "x.toml").expect.alerts is None


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        (ALERT.replace("web1", "web"), "expect.alerts[0].host", "'web1'"),
        (POINT.replace("web1", "web"), "expect.recovery[0].host", "'web1'"),
        (ALERT.replace('"warning"', '"alram"'), "expect.alerts[0].level", "one of these"),
        (f'{ALERT}escalated-age = "28h"\n', "expect.alerts[0]", "take the rest out"),
        (f'{ALERT}opened-age = "28"\n', "expect.alerts[0].opened-age", "28h"),
        (f"{ALERT}opened = 2024-03-01\n", "expect.alerts[0].opened", "UTC offset"),
        (
            f"{ALERT}open = true\nresolved = 2024-03-01T04:00:00Z\n",
            "expect.alerts[0]",
            "one of the two",
        ),
        (f"{ALERT}ages = 3\n", "expect.alerts[0].ages", "docs/scenarios.md"),
        (POINT.replace("24", '"none"'), "expect.recovery[0].hours", "nothing"),
        (POINT.replace("24", "-1"), "expect.recovery[0].hours", "24"),
        (POINT.replace("24", "true"), "expect.recovery[0].hours", "24"),
    ],
)
def test_fault_of_an_expected_alert_or_recovery_point_is_placed(
    text: str, key: str, remedy: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(f"{GOOD}\n{text}", "some.toml")

    assert key == caught.value.key
    assert remedy in caught.value.remedy
