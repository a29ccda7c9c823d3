"""`restic-verify manifest`, and the programs that stand for it on hosts without restic-verify."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.cycle.test_render import BACKUP, changed, install, one_host, shim
from tests.drill.unprivileged import as_nobody
from verifier.cli import manifest
from verifier.cli.context import Context
from verifier.clock.system import SystemClock
from verifier.core.errors import CannotVerify, NoSpace, UsageError
from verifier.core.finding import Verdict
from verifier.core.report import Report
from verifier.cycle.render import render
from verifier.monitor.render.schema import problems
from verifier.monitor.render.text import text


def run(line: str) -> Report:
    """Run `restic-verify manifest` with these options and return its report."""
    parser = argparse.ArgumentParser()
    manifest.add_options(parser)
    options = parser.parse_args(shlex.split(line))
    report = manifest.run(options, Context(SystemClock(), {}, StringIO()))

    assert () == problems(report.envelope())

    return report


def kinds(report: Report) -> list[tuple[str, str]]:
    """Return kind and subject of every finding."""
    return [(finding.kind, finding.subject) for finding in report.findings]


def listed(path: Path) -> list[str]:
    """Return the paths in a manifest."""
    return [json.loads(line)["path"] for line in path.read_bytes().splitlines()[1:-1]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of two files, one of them to be excluded."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "file").write_text("content")
    (folder / "file.tmp").write_text("to be left out")
    return folder


def test_manifest_is_written_and_told(files: Path, tmp_path: Path) -> None:
    report = run(f"{files} --output {tmp_path}/manifest --exclude *.tmp --host web1")

    assert Verdict.OK is report.verdict
    assert [str(files / "file")] == listed(tmp_path / "manifest")
    assert {"read_files": 1, "read_bytes": 7, "kept_files": 0} == report.measurements
    assert "1 of 1 files" in text(report.envelope())


def test_relative_names_are_of_this_folder(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run("files --output manifest --exclude *.tmp")

    assert [str(files / "file")] == listed(tmp_path / "manifest")


def test_output_is_the_previous_one_by_default(files: Path, tmp_path: Path) -> None:
    line = f"/usr/share/doc/bash --output {tmp_path}/manifest"
    first, second = run(line), run(line)

    assert first.measurements["read_files"]
    assert (0, first.measurements["read_files"]) == (
        second.measurements["read_files"],
        second.measurements["kept_files"],
    )
    assert (
        first.measurements["read_files"]
        == (run(f"{line} --previous {tmp_path}/none").measurements["read_files"])
    )


def test_rot_is_critical_and_unreadable_a_warning(files: Path, tmp_path: Path) -> None:
    output = tmp_path / "manifest"
    run(f"{files} --output {output}")
    lines = [json.loads(line) for line in output.read_bytes().splitlines()]
    for record in lines[1:-1]:
        record.pop("recent")
        record["sha256"] = "0" * 64 if record["path"].endswith("file") else record["sha256"]
    output.write_text("".join(json.dumps(line) + "\n" for line in _vouched(lines)))

    report = run(f"{files} /proc/self/mem --output {output} --reread-percent 100 --host web1")

    assert Verdict.CRITICAL is report.verdict
    assert [("corrupted", f"web1:{files}/file"), ("unreadable", "web1:/proc/self/mem")] == kinds(
        report
    )
    assert (2, 3) == (report.coverage.checked, report.coverage.total)


def _vouched(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    body = "".join(json.dumps(line) + "\n" for line in lines[:-1]).encode()
    return [*lines[:-1], {"end": len(lines) - 2, "sha256": hashlib.sha256(body).hexdigest()}]


def test_many_unreadable_files_are_counted(files: Path, tmp_path: Path) -> None:
    roots = " ".join(f"/nowhere/{number:02}" for number in range(30))

    report = run(f"{files} {roots} --output {tmp_path}/manifest --host web1")

    assert 21 == len(report.findings)
    assert "30 files in all" in report.findings[-1].detail


def test_manifest_of_nothing_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()

    report = run(f"{tmp_path}/void --output {tmp_path}/manifest")

    assert (Verdict.UNKNOWN, ["empty"]) == (report.verdict, [f.kind for f in report.findings])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ("--output {0}/nowhere/manifest", CannotVerify, "cannot be written: No such file"),
        ("--output /dev/full/x", CannotVerify, "cannot be written: Not a directory"),
        ("--output {0}/manifest --reread-percent 101", UsageError, "101 is no percentage"),
        ("--output {0}/manifest --exclude [", UsageError, "malformed exclude pattern '['"),
        ("--output {0}/manifest --script {0}/nowhere/x", CannotVerify, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(
    files: Path, tmp_path: Path, options: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message.replace("[", r"\[")):
        run(f"{files} {options.format(tmp_path)}")

    assert [files] == list(tmp_path.iterdir())


def test_full_disk_is_said(files: Path, full_disk: Callable[[str], Path]) -> None:
    disk = full_disk("8k")
    (disk / "filling").write_bytes(b"x" * 4096)
    many = " ".join(f"/nowhere/{'n' * 200}{number}" for number in range(40))

    with pytest.raises(NoSpace, match="an earlier one is as it was"):
        run(f"{many} --output {disk}/manifest")


def test_folder_that_may_not_be_written_to_is_said(files: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    def look() -> str:
        try:
            return run(f"/usr/share/doc/bash --output {tmp_path}/manifest").verdict.name
        except CannotVerify as error:
            return error.message

    assert "cannot be written: Permission denied; an earlier one is as it was" == as_nobody(look)


def test_program_does_the_same_without_restic_verify(files: Path, tmp_path: Path) -> None:
    output, program = tmp_path / "manifest", tmp_path / "restic-manifest"
    line = f"{files} --output {output} --exclude *.tmp --host web1"

    report = run(f"{line} --script {program}")
    written = output.exists()
    ended = subprocess.run([program], check=False, capture_output=True, env={"PATH": "/usr/bin"})

    assert (Verdict.OK, False) == (report.verdict, written)
    assert 0 == ended.returncode, ended.stderr
    by_program = output.read_bytes().splitlines()[1:-1]
    run(line)
    assert by_program == [
        line.replace(_since(line), _since(by_program[0]))
        for line in output.read_bytes().splitlines()[1:-1]
    ]


def _since(line: bytes) -> bytes:
    since: str = json.loads(line)["since"]
    return since.encode()


def machine(tmp_path: Path, status: int = 0, **host: Any) -> subprocess.CompletedProcess[bytes]:
    """Install what a host gets, with a restic that writes down what it backs up, and back up."""
    config = changed(hosts=one_host(**host))
    install(render(config), tmp_path)
    shim(tmp_path / "bin", "restic", '[ "$1" != backup ] || printf "%s\\n" "$@" >"$LOG"')
    for path, file in manifest.programs(config).items():
        (tmp_path / "bin" / Path(path).name).write_text(file.text)
        (tmp_path / "bin" / Path(path).name).chmod(file.mode)
    if status:
        shim(tmp_path / "bin", "restic-manifest", f"exit {status}")
    return subprocess.run(
        [tmp_path / BACKUP],
        check=False,
        capture_output=True,
        env={
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
            "LOG": str(tmp_path / "log"),
            "RESTIC_PASSWORD": "secret",
        },
    )


def paths(tmp_path: Path) -> list[str]:
    """Return what restic was told to back up."""
    return (tmp_path / "log").read_text().partition("--\n")[2].splitlines()


def test_backup_writes_the_manifest_first_and_holds_it(files: Path, tmp_path: Path) -> None:
    output = tmp_path / "state" / "manifest"
    output.parent.mkdir()

    done = machine(tmp_path, include=[str(files)], exclude=["*.tmp"], manifest=str(output))

    assert 0 == done.returncode, done.stderr
    assert [str(files), str(output)] == paths(tmp_path)
    assert [str(files / "file")] == listed(output)
    assert "web1" == json.loads(output.read_bytes().splitlines()[0])["host"]


def test_manifest_among_the_includes_is_named_once(files: Path, tmp_path: Path) -> None:
    done = machine(tmp_path, include=[str(files)], manifest=str(files / "manifest"))

    assert 0 == done.returncode, done.stderr
    assert [str(files)] == paths(tmp_path)
    assert [str(files / "file"), str(files / "file.tmp")] == listed(files / "manifest")


def test_neighbour_of_an_include_is_no_part_of_it(files: Path, tmp_path: Path) -> None:
    machine(tmp_path, include=[str(files)], manifest=f"{files}-manifest")

    assert [str(files), f"{files}-manifest"] == paths(tmp_path)


def test_failed_manifest_never_stops_a_backup(files: Path, tmp_path: Path) -> None:
    done = machine(tmp_path, 3, include=[str(files)], manifest=str(files / "manifest"))

    assert (0, b"manifest status=3: see above\n") == (done.returncode, done.stderr)
    assert [str(files)] == paths(tmp_path)


def test_manifest_reads_with_the_rights_of_become(files: Path, tmp_path: Path) -> None:
    become = tmp_path / "two words"
    shim(tmp_path, become.name, 'echo "$*, password ${RESTIC_PASSWORD-unset}" >&2; exec "$@"')

    done = machine(
        tmp_path, include=[str(files)], manifest=str(files / "m"), become=[str(become), "env"]
    )

    assert done.stderr.startswith(b"env restic-manifest, password unset\n")
    assert (files / "m").exists()


def test_host_without_a_manifest_has_no_program(files: Path, tmp_path: Path) -> None:
    done = machine(tmp_path, include=[str(files)])

    assert (0, b"") == (done.returncode, done.stderr)
    assert {} == manifest.programs(changed(hosts=one_host()))
    assert "restic-manifest" not in (tmp_path / BACKUP).read_text()
