"""`restic-verify render`: standard output is the file, exactly."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.console import LIMIT_S, SCRIPT, report, run
from tests.cycle.test_render import changed
from verifier.cli.main import main
from verifier.cli.render import all_files, chosen, of_machine
from verifier.config.defaults import PROBE, defaults
from verifier.core.checkup import Seen
from verifier.core.errors import UsageError
from verifier.cycle.file import File
from verifier.drill.checkup.hosts import judge_permit, judge_script, judge_variable

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


@pytest.mark.parametrize(
    "seen",
    [
        judge_variable("", "marker", "web1"),
        judge_script(["absent"], b"x", "web1"),
        judge_permit(1, "sudo: a password is required", "web1"),
    ],
)
def test_what_doctor_says_to_render_can_be_rendered(
    seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its remedy's own command, run on a configuration with several hosts."""
    (command,) = re.findall(r"`restic-verify ([^`]+)`", seen.remedy)

    assert 0 == main([*command.split(), "--config", str(EXAMPLE)])
    assert "RESTIC_PASSWORD" in capsys.readouterr().out


HOSTS = [
    {"name": "web1", "include": ["/srv"], "become": list(PROBE)},
    {"name": "jak2", "include": ["/srv"], "address": "local"},
]


def test_a_machine_has_its_own_files_by_their_paths_on_it() -> None:
    config = changed(repository={"location": "/r", "password-file": "/p"}, hosts=HOSTS)
    files = all_files(config)
    coordinator = of_machine(files, config, "jak")
    web = of_machine(files, config, "web1")

    assert {"usr/local/bin/run-backups", "usr/local/bin/backup-restic"} <= coordinator.keys()
    assert "etc/sudoers.d/restic-verify" in web
    assert "usr/local/bin/run-backups" not in web
    assert files == of_machine(files, config, None)
    assert len(files) == len(coordinator) + len(web)


def test_a_machine_that_is_not_there_says_which_are() -> None:
    with pytest.raises(UsageError) as caught:
        of_machine({}, defaults(), "web2")

    assert "jak, web1, db1, mail1" in caught.value.remedy


@pytest.mark.parametrize(
    "line",
    [["--yes"], ["--diff"], ["--check=x", "--into=y"], ["--into=x", "--yes", "--diff"]],
    ids=" ".join,
)
def test_options_that_contradict_are_refused(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 64 == main(["render", "all", f"--config={EXAMPLE}", *line])


def installed(folder: Path, *line: str) -> int:
    """Run the command on the example, here."""
    return main(["render", f"--config={EXAMPLE}", "--machine=web1", *line, str(folder)])


def test_what_is_there_already_is_not_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == installed(tmp_path, "--into")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()

    assert (0, 0) == (installed(tmp_path, "--into"), installed(tmp_path, "--check"))
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert ["OK: 5 files: 5 unchanged"] * 2 == [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("OK")
    ]


def drift(folder: Path) -> dict[str, bytes]:
    """Change a text, a mode and take a file away; return what is there then."""
    assert 0 == installed(folder, "--into")
    script = folder / "usr/local/bin/backup-restic"
    script.write_text(script.read_text().replace("-q --json", "-v --json"))
    (folder / "usr/local/sbin/permit-probe").chmod(0o777)
    (folder / "etc/sudoers.d/restic-verify").unlink()
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_drift_is_a_warning_that_says_what_drifted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The healthy twin is the check in the test above."""
    before = drift(tmp_path)
    capsys.readouterr()

    assert 1 == main(
        ["render", f"--config={EXAMPLE}", "--machine=web1", "--check", str(tmp_path), "--json"]
    )
    envelope = report(capsys.readouterr().out)
    found = {
        it["subject"].removeprefix(f"{tmp_path}/"): it["detail"] for it in envelope["findings"]
    }

    assert {"drifted"} == {it["kind"] for it in envelope["findings"]}
    assert {
        "usr/local/bin/backup-restic": "differs",
        "usr/local/sbin/permit-probe": "has mode 0777 instead of 0755",
        "etc/sudoers.d/restic-verify": "is not there",
    } == found
    states = [change["state"] for change in envelope["changes"]]
    assert [2, 1, 2] == [states.count(s) for s in ("differs", "missing", "unchanged")]
    assert before == {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_a_diff_is_shown_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = drift(tmp_path)

    assert 1 == installed(tmp_path, "--diff", "--into")
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if line[:1] in "-+" and "options" in line]
    assert ["-options=(-v --json --host=web1)", "+options=(-q --json --host=web1)"] == lines
    assert before == {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_nothing_is_overwritten_where_nobody_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even the file that is not there is written: all of it, or nothing."""
    before = drift(tmp_path)
    done = run("render", f"--config={EXAMPLE}", "--machine=web1", "--into", str(tmp_path))

    assert 64 == done.returncode
    assert b"--yes" in done.stderr
    assert before == {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_what_differs_is_overwritten_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drift(tmp_path)
    capsys.readouterr()

    assert 0 == installed(tmp_path, "--yes", "--into")
    printed = capsys.readouterr()
    assert printed.out.startswith("OK: 5 files: 1 created, 2 changed, 2 unchanged\n")
    assert "+options=(-q --json --host=web1)" in printed.err
    assert 0 == installed(tmp_path, "--check")


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 0), ("no", 1, 1), ("", 1, 1)])
def test_a_person_is_shown_the_difference_and_asked(
    tmp_path: Path, answer: str, status: int, left: int
) -> None:
    drift(tmp_path)
    ours, theirs = pty.openpty()
    line = [SCRIPT, "render", f"--config={EXAMPLE}", "--machine=web1", "--into", str(tmp_path)]
    streams = {"stdin": theirs, "stderr": theirs, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(line, **streams) as process:  # type: ignore[call-overload]
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1_000)
        os.write(ours, f"{answer}\n".encode())
        assert status == process.wait(LIMIT_S)
    os.close(ours)

    assert b"+options=(-q --json --host=web1)" in shown
    assert left == installed(tmp_path, "--check")


def test_a_private_file_is_not_passed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An administrator's secret in a file that others may not read must not end in a report."""
    assert 0 == installed(tmp_path, "--into")
    rights = tmp_path / "etc/sudoers.d/restic-verify"
    rights.chmod(0o640)
    rights.write_text("s3cret")
    capsys.readouterr()

    for more in ([], ["--json"]):
        line = ["render", f"--config={EXAMPLE}", "--machine=web1", "--check", str(tmp_path), *more]
        assert 1 == main(line)
        assert "s3cret" not in capsys.readouterr().out


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


@pytest.mark.parametrize(
    ("find", "replace", "key"),
    [
        ('location = "/mnt/storage/restic"', 'location = "repo"', "repository.location"),
        ('repository = "/mnt/jak/restic"', 'repository = "repo"', "hosts[0].repository"),
    ],
)
def test_what_cannot_be_rendered_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], find: str, replace: str, key: str
) -> None:
    file = tmp_path / "verify.toml"
    file.write_text(EXAMPLE.read_text().replace(find, replace, 1))

    assert 64 == main(["render", f"--config={file}"])
    said = capsys.readouterr().err
    assert (True, True, True) == (key in said, "as /repo" in said, f"{file}:" in said)


def test_two_files_never_take_one_place() -> None:
    config = changed(hosts=[{**host, "address": "local"} for host in HOSTS])
    with pytest.raises(UsageError) as caught:
        of_machine(all_files(config), config, "jak")

    assert "/usr/local/bin/backup-restic" == caught.value.subject
