"""`restic-verify render`: standard output is the file, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.console import report, run
from verifier.cli.render import chosen, write
from verifier.core.errors import CannotVerify, UsageError
from verifier.cycle.file import File

EXAMPLE = Path(__file__).parents[2] / "fixtures" / "example" / "verify.toml"
FILES = {
    "coordinator/etc/run.timer": File("a", 0o644),
    "hosts/web1/sbin/permit": File("b", 0o755),
    "hosts/web2/sbin/permit": File("b", 0o755),
    "hosts/web1/bin/backup": File("c", 0o755),
    "hosts/web2/bin/backup": File("d", 0o755),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run.timer", ["coordinator/etc/run.timer"]),
        ("web2/bin/backup", ["hosts/web2/bin/backup"]),
        ("/hosts/web2/bin/backup", ["hosts/web2/bin/backup"]),
        ("permit", ["hosts/web1/sbin/permit"]),
        ("all", list(FILES)),
    ],
)
def test_a_file_is_chosen_by_the_end_of_its_path(name: str, expected: list[str]) -> None:
    assert expected == list(chosen(FILES, name))


@pytest.mark.parametrize(
    ("name", "remedy"), [("backup", "hosts/web2/bin/backup"), ("timer", "run.timer"), ("", "all")]
)
def test_a_name_of_none_or_several_says_which_there_are(name: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(FILES, name)

    assert remedy in caught.value.remedy


def test_files_are_written_with_their_modes_and_again(tmp_path: Path) -> None:
    """The second time over a file that nobody may write to, as rights of sudo are."""
    files = {**FILES, "hosts/web1/etc/sudoers": File("rights", 0o440)}
    for _ in range(2):
        write(files, tmp_path / "root")

    assert files == {
        name: File(
            (tmp_path / "root" / name).read_text(),
            (tmp_path / "root" / name).stat().st_mode & 0o7777,
        )
        for name in files
    }


def test_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotVerify) as caught:
        write(FILES, tmp_path / "file")

    assert str(tmp_path / "file") in caught.value.subject


@pytest.mark.heavy
def test_a_unit_is_printed_alone_and_everything_on_request() -> None:
    config = f"--config={EXAMPLE}"
    unit = run("render", "restic-verify-monthly.service", config)
    everything = report(run("render", "all", "--json", config).stdout)
    texts = {file["path"].rpartition("/")[2]: file["text"] for file in everything["files"]}

    assert (0, b"") == (unit.returncode, unit.stderr)
    assert texts["restic-verify-monthly.service"] == unit.stdout.decode()
    assert "OK" == everything["verdict"]
    assert 64 == run("render", "nothing", config).returncode
