"""Good files load; bad ones name the file, the line, the key and a remedy."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from verifier.config.defaults import defaults
from verifier.config.load import load, parse
from verifier.config.values import DateRange
from verifier.core.errors import ConfigError
from verifier.core.policy import Policy

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "fixtures" / "example" / "verify.toml"
TEXT = EXAMPLE.read_text("utf-8")
CASES: list[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "cases" / "config" / "errors.json").read_text("utf-8")
)


def edited(find: str, replace: str) -> str:
    """Return the example with its first `find` replaced."""
    assert find in TEXT
    return TEXT.replace(find, replace, 1)


def refusal(text: str, environ: dict[str, str] | None = None) -> ConfigError:
    """Return the error that a text ends in."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "verify.toml", environ or {})
    return caught.value


def test_the_example_is_what_no_file_means() -> None:
    assert defaults() == load(EXAMPLE, {})
    assert defaults().digest() == load(EXAMPLE, {}).digest()


def test_the_example_is_the_production_set_up() -> None:
    config = load(EXAMPLE, {})

    assert Policy(daily=30, weekly=5, monthly=12, yearly=10) == config.policy()
    assert ("host", "paths") == config.group_by
    assert (("04:00",), "America/Los_Angeles") == (config.times, config.zone.key)
    assert [("web1", 50_000), ("db1", 50_000), ("mail1", 50_000)] == [
        (host.name, host.port) for host in config.hosts
    ]
    assert {"/mnt/jak/restic"} == {config.mounted(host) for host in config.hosts}
    assert "/mnt/keys/restic/password" == config.key_file


def test_pipe_that_nobody_writes_to_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "verify.toml")
    with pytest.raises(ConfigError, match="a pipe, which is no file"):
        load(tmp_path / "verify.toml", {})


def test_pipe_that_a_shell_has_opened_is_read() -> None:
    out, into = os.pipe()
    try:
        os.write(into, TEXT.encode())
        os.close(into)
        found = load(Path(f"/dev/fd/{out}"), {})
    finally:
        os.close(out)

    assert defaults() == found


def test_another_setting_is_another_digest() -> None:
    other = parse(edited("keep-daily = 30", "keep-daily = 31"), "verify.toml", {})

    assert defaults().digest() != other.digest()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_mistake_is_named_with_its_place_and_remedy(case: dict[str, Any]) -> None:
    """Each case is one edit of the example, and the twin of the example that loads."""
    error = refusal(edited(case["find"], case["replace"]))

    assert case["line"] == error.line
    assert (case["key"], case["found"]) == (error.key, error.found)
    assert case["expected"] in error.expected
    assert case["remedy"] in error.remedy
    assert error.subject.startswith("verify.toml")


def test_all_mistakes_are_listed_at_once_in_the_files_order() -> None:
    text = edited("days = 400", "days = -1").replace("keep-daily = 30", "keep-dayly = 30")
    text = text.replace('times = ["04:00"]', 'times = ["4 o\'clock"]')

    error = refusal(text)

    assert "schedule.times[0]" == error.key
    assert ["retention.keep-dayly", "simulate.days"] == [
        other.split(", ")[1].split(":")[0] for other in error.others
    ]
    assert all(other in error.message for other in error.others)


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        pytest.param(b'schema = 1\nname = "\xe9"\n', 2, "the byte 0xe9", id="latin-1"),
        pytest.param(None, None, "no such file or directory", id="missing"),
    ],
)
def test_a_file_that_is_no_text_is_refused(
    tmp_path: Path, content: bytes | None, line: int | None, found: str
) -> None:
    path = tmp_path / "verify.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load(path, {})

    assert (line, found) == (caught.value.line, caught.value.found)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        load(tmp_path, {})


def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    """By a loop of links: root may read every file there is."""
    (tmp_path / "a").symlink_to("a")

    with pytest.raises(ConfigError, match="too many levels of symbolic links"):
        load(tmp_path / "a", {})


def test_a_bare_name_in_the_path_is_no_crash() -> None:
    with pytest.raises(ConfigError):
        load(Path("nul\0byte"), {})


@pytest.mark.parametrize("text", ["a = [" * 5000, "a = " + "9" * 5000, "", "\ufeffschema = 1"])
def test_odd_text_is_refused_and_never_a_crash(text: str) -> None:
    assert refusal(text).remedy


def test_windows_line_ends_are_lines() -> None:
    assert parse(TEXT.replace("\n", "\r\n"), "verify.toml", {}) == defaults()


def test_restics_environment_fills_what_is_left_out() -> None:
    text = edited('location = "/mnt/storage/restic"', "").replace(
        'password-file = "/mnt/keys/restic/password"', ""
    )
    environ = {"RESTIC_REPOSITORY": "/other", "RESTIC_PASSWORD_COMMAND": "pass show restic"}

    repository = parse(text, "verify.toml", environ).repository

    assert ("/other", None, "pass show restic") == (
        repository.location,
        repository.password_file,
        repository.password_command,
    )


def test_the_file_comes_before_the_environment() -> None:
    environ = {
        "RESTIC_REPOSITORY": "/other",
        "RESTIC_PASSWORD_COMMAND": "x",
        "RESTIC_PASSWORD_FILE": "/y",
    }

    assert defaults() == parse(TEXT, "verify.toml", environ)


def test_no_repository_anywhere_names_the_variable() -> None:
    error = refusal(edited('location = "/mnt/storage/restic"', ""))

    assert "RESTIC_REPOSITORY" in error.remedy


def test_deviations_of_a_timeline_are_typed() -> None:
    text = TEXT + (
        'missed = ["2024-03-03..2024-03-09", 2024-05-01, "2024-06-01"]\n'
        '[[simulate.down]]\nhost = "db1"\nfrom = 2024-02-01\nto = 2024-02-02\n'
        '[[simulate.paths]]\nhost = "web1"\nfrom = 2024-07-01\ninclude = ["/srv"]\n'
    )

    simulate = parse(text, "verify.toml", {}).simulate

    assert (
        DateRange(date(2024, 3, 3), date(2024, 3, 9)),
        DateRange(date(2024, 5, 1), date(2024, 5, 1)),
        DateRange(date(2024, 6, 1), date(2024, 6, 1)),
    ) == simulate.missed
    assert ("db1", date(2024, 2, 1), date(2024, 2, 2)) == (
        simulate.down[0].host,
        simulate.down[0].from_,
        simulate.down[0].to,
    )
    assert (date(2024, 7, 1), ("/srv",)) == (simulate.paths[0].from_, simulate.paths[0].include)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("1B", 1),
        ("1K", 1024),
        ("500MiB", 500 << 20),
        ("50 GiB", 50 << 30),
        ("1024PiB", 1 << 60),
        ("7", 7),
    ],
)
def test_sizes_are_powers_of_1024(text: str, size_bytes: int) -> None:
    config = parse(edited('"50GiB"', f'"{text}"'), "verify.toml", {})

    assert size_bytes == config.monthly.scratch_budget


def test_a_host_is_found_by_name() -> None:
    assert "db1" == defaults().host("db1").name
    with pytest.raises(Exception, match="no such host"):
        defaults().host("db2")


def test_nothing_can_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        defaults().hosts[0].name = "x"
