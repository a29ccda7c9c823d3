"""What is wrong with a scenario file is said with its line, its key and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from verifier.config.scenario import load_scenario, parse_scenario
from verifier.core.errors import ConfigError
from verifier.retention.rules import RELEASED

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
        ('["model"]', '["model", "model"]', 5, "scenario.fidelity", "remove the second"),
        (
            "[[faults.clock-wrong]]",
            "[faults.clock-wrong]",
            7,
            "faults.clock-wrong",
            "[[faults.clock-wrong]]",
        ),
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
        (
            'fidelity = ["model"]',
            'fidelity = ["model"]\nrestic = "0.17.4"',
            6,
            "scenario.restic",
            "did you mean '0.17.3'?",
        ),
    ],
)
def test_fault_of_a_file_is_placed(old: str, new: str, line: int, key: str, remedy: str) -> None:
    error = refused(old, new)

    assert (line, key) == (error.line, error.key)
    assert remedy in error.remedy


ATTACKED = """\
[[faults.snapshots-added]]
host = "web1"
on = 2024-01-02
first = {}
count = 1_000
every = "31d"

"""


@pytest.mark.parametrize("first", ["2990-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_snapshots_that_no_calendar_reckons_with_are_refused(first: str) -> None:
    """They were an overflow in the midst of the run. Both ways: this side of them all is taken."""
    error = refused("[expect]\n", f"{ATTACKED.format(first)}[expect]\n")
    taken = ATTACKED.format("1900-01-01T00:00:00Z")

    assert "faults.snapshots-added[0]" == error.key
    assert "the years 1900 to 2999" in str(error)
    assert parse_scenario(GOOD.replace("[expect]\n", f"{taken}[expect]\n"), "x")


@pytest.mark.parametrize("start", ["0001-01-01", "1969-12-31", "3000-01-01", "9999-12-30"])
def test_timeline_that_no_calendar_reckons_with_is_refused(start: str) -> None:
    error = refused("[expect]\n", f"[simulate]\nstart = {start}\n[expect]\n")

    assert "simulate.start" == error.key
    assert "the years 1970 to 2999" in str(error)


def test_host_may_be_down_for_ever() -> None:
    down = "[[simulate.down]]\nhost = 'db1'\nfrom = 2024-01-02\nto = 9999-12-31\n[expect]\n"

    assert parse_scenario(GOOD.replace("[expect]\n", down), "x").config.simulate.down


def test_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than 16 MiB"):
        load_scenario(Path("/dev/zero"))


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


def test_exclude_that_restic_would_refuse_is_refused() -> None:
    error = in_cycle(
        "[[faults.exclude-added]]\nhost = 'web1'\nfrom = 2024-03-01\npattern = '/a[b'\n"
    )

    assert "faults.exclude-added[0].pattern" == error.key
    assert "/a[b" in error.remedy


def test_fault_of_a_real_cycle_is_refused_elsewhere() -> None:
    error = refused("[expect]\n", "[[faults.lock-left]]\nafter = 2024-03-01\n\n[expect]\n")

    assert "scenario.fidelity" == error.key
    assert "lock-left" in error.remedy


@pytest.mark.parametrize("release", [*RELEASED, "0.18", "0.19.2", "1.0.0"])
def test_release_that_there_is_or_may_be_one_day_is_taken(release: str) -> None:
    text = GOOD.replace("fidelity =", f'restic = "{release}"\nfidelity =')

    assert (parse_scenario(text, "x").about.restic or "").startswith(release)


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
        ('"0.18.0"', '"0.18.9"', "faults.restic-upgraded[0].restic"),
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


def with_days(fault: str, rung: str) -> str:
    text = GOOD.replace('["model"]', f'["{rung}"]').replace("[[faults.clock", "[[other.clock")
    return text[: text.index("[[other")] + fault + DAYS + text[text.index("[expect]") :]


def in_cycle(fault: str, rung: str = "cycle") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(with_days(fault, rung), "some.toml")
    return caught.value


DAYS = """
[simulate]
start = 2024-03-01
days = 4
missed = ["2024-03-02"]
[[simulate.down]]
host = "web1"
from = 2024-03-03
to = 2024-03-03

"""


@pytest.mark.parametrize(
    ("fault", "key", "found"),
    [
        ("lock-left]]\nafter = 2024-03-05", "after", "found 2024-03-05, expected a day from"),
        ("pack-damaged]]\nafter = 2024-02-29\nhow = 'cut'", "after", "to 2024-03-04"),
        ("unlocked]]\non = 2025-03-01", "on", "2025-03-01"),
        ("disk-full]]\nfrom = 2024-02-01\nto = 2024-02-29", "to", "2024-02-29"),
        ("disk-full]]\nfrom = 2024-03-05\nto = 2024-03-09", "from", "2024-03-05"),
        ("host-renamed]]\nhost = 'web1'\nfrom = 2024-03-05\nname = 'x'", "from", "2024-03-05"),
        ("killed]]\non = 2024-03-02\nwhat = 'forget'", "on", "the coordinator does not run"),
        ("lock-left]]\nafter = 2024-03-02", "after", "the coordinator does not run"),
        ("repository-migrated]]\nafter = 2024-03-02", "after", "coordinator does not run"),
        ("pack-damaged]]\nafter = 2024-03-02\nhow = 'cut'", "after", "does not run"),
        ("killed]]\non = 2024-03-03\nwhat = 'backup'\nhost = 'web1'", "on", "web1 is down"),
        ("disk-full]]\nfrom = 2024-03-02\nto = 2024-03-02", "from", "coordinator does not run"),
        ("partition]]\nhost = 'web1'\nfrom = 2024-03-03\nto = 2024-03-03", "from", "is down"),
        ("memory-short]]\nhost = 'web1'\nfrom = 2024-03-02\nto = 2024-03-03", "from", "is down"),
    ],
)
def test_fault_that_never_happens_is_refused(fault: str, key: str, found: str) -> None:
    error = in_cycle(f"[[faults.{fault}\n", "fleet")

    assert f"faults.{fault.partition(']')[0]}[0].{key}" == error.key
    assert found in str(error)


SKIPPED = (
    '[schedule]\ntimes = ["02:30"]\ntimezone = "Europe/Berlin"\n'
    "[simulate]\nstart = 2024-03-30\ndays = 3\n"
)


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ("snapshots-added]]\nhost = 'web1'\non = {}\nfirst = 2020-01-01T00:00:00Z", "on"),
        ("clock-wrong]]\nhost = 'web1'\nfrom = {0}\nto = {0}\nby = '-3h'", "from"),
    ],
)
def test_fault_on_a_day_whose_cycle_the_clocks_skip_is_refused(fault: str, key: str) -> None:
    """Both ways: the days before and after have their cycle."""
    begin, end = GOOD.index("[[faults"), GOOD.index("[expect]")

    def text(day: str) -> str:
        return f"{GOOD[:begin]}[[faults.{fault.format(day)}\n{SKIPPED}{GOOD[end:]}"

    for day in ("2024-03-30", "2024-04-01"):
        parse_scenario(text(day), "some.toml")
    with pytest.raises(ConfigError) as caught:
        parse_scenario(text("2024-03-31"), "some.toml")

    assert f"faults.{fault.partition(']')[0]}[0].{key}" == caught.value.key
    for elsewhere in (('"02:30"', '"02:30", "04:00"'), ("Europe/Berlin", "UTC")):
        parse_scenario(text("2024-03-31").replace(*elsewhere), "some.toml")


@pytest.mark.parametrize(
    ("key", "entry"),
    [
        ("missed[1]", 'missed = ["2024-03-02", "2023-03-02"]'),
        ("down[0].from", 'down = [{host = "web1", from = 2026-03-01, to = 2026-03-02}]'),
        ("paths[0].from", 'paths = [{host = "web1", from = 2026-03-01, include = ["/x"]}]'),
    ],
)
def test_deviation_that_never_happens_is_refused(key: str, entry: str) -> None:
    error = refused("[expect]\n", f"[simulate]\nstart = 2024-03-01\n{entry}\n[expect]\n")

    assert f"simulate.{key}" == error.key


@pytest.mark.parametrize(
    "fault",
    [
        "disk-full]]\nfrom = 2024-03-02\nto = 2024-03-03",
        "key-locked]]\nfrom = 2024-03-03\nto = 2024-03-03",
        "files-rewritten]]\nhost = 'web1'\nfrom = 2024-03-02",
    ],
)
def test_spell_needs_one_day_on_which_it_happens(fault: str) -> None:
    scenario = parse_scenario(with_days(f"[[faults.{fault}\n", "cycle"), "x")

    assert fault.partition("]")[0].replace("-", "_") in scenario.faults.model_fields_set


def test_spell_may_begin_before_the_timeline_and_end_after_it() -> None:
    text = GOOD.replace("2024-03-02\n", "2024-03-09\n").replace(
        "[expect]", "[simulate]\nstart = 2024-03-02\ndays = 3\n[expect]"
    )

    assert 3 == parse_scenario(text, "x").config.simulate.days


def test_recovery_point_of_a_day_that_never_comes_is_refused() -> None:
    point = '[[expect.recovery]]\nhost = "web1"\nhours = 24\non = 2023-12-31\n'
    error = refused("[[expect.survivors]]", f"{point}[[expect.survivors]]")

    assert "expect.recovery[0].on" == error.key


@pytest.mark.parametrize(
    "fault",
    [
        "killed]]\non = 2024-03-01\nwhat = 'sync'",
        "pack-damaged]]\nafter = 2024-03-01\nhow = 'cut'\nwhere = 'off-site'",
    ],
)
def test_what_befalls_a_copy_needs_one(fault: str) -> None:
    assert "found no off-site copy" in str(in_cycle(f"[[faults.{fault}\n"))


KILLED = "[[faults.killed]]\non = 2024-03-01\nwhat = 'sync'\n"
AWAY = "[[faults.offsite-refused]]\nfrom = 2024-03-04\nto = 2024-03-04\n"


@pytest.mark.parametrize(
    ("target", "faults", "rung", "is_refused"),
    [
        ("/mnt/offsite", KILLED, "fleet", False),
        ("offsite:restic", KILLED, "fleet", True),
        ("/mnt/offsite", KILLED + AWAY, "fleet", True),
        ("offsite:restic", KILLED, "cycle", False),
    ],
)
def test_sync_is_stopped_half_way_where_it_can_be_seen(
    target: str, faults: str, rung: str, is_refused: bool
) -> None:
    offsite = f'[offsite]\nmethod = "rclone-sync"\ntarget = "{target}"\n'
    text = with_days(faults, rung).replace("[simulate]", f"{offsite}[simulate]")

    if is_refused:
        with pytest.raises(ConfigError, match="whose sync no one can stop half-way") as caught:
            parse_scenario(text, "some.toml")
        assert "faults.killed[0]" == caught.value.key
    else:
        parse_scenario(text, "some.toml")


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
