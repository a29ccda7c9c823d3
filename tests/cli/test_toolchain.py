"""The toolchain command over a store that a test has filled."""

from __future__ import annotations

import argparse
import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from verifier.cli import toolchain
from verifier.cli.context import Context
from verifier.core.errors import UsageError
from verifier.core.finding import Verdict
from verifier.core.report import Report
from verifier.monitor.render.text import text
from verifier.restic.toolchain import architecture

BINARY = b"restic, let us say"
DIGEST = hashlib.sha256(BINARY).hexdigest()


class Noon:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of two releases, of which 1.0.0 is stored."""
    stored = tmp_path / "cache" / "restic-verify" / "toolchain" / "sha256" / DIGEST / "restic"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(BINARY)
    path = tmp_path / "lock.toml"
    path.write_text(
        "".join(
            f'[[release]]\nversion = "{version}"\nsuite = "sid"\npackage = "{version}-1"\n'
            f'{architecture()}.deb = "{DIGEST}"\n{architecture()}.binary = "{digest}"\n'
            for version, digest in (("10.0.0", "0" * 64), ("1.0.0", DIGEST))
        )
    )
    return path


def _run(lock: Path, *arguments: str) -> tuple[Report, str]:
    parser = argparse.ArgumentParser()
    toolchain.add_options(parser)
    environ = {"XDG_CACHE_HOME": str(lock.parent / "cache"), "PATH": ""}
    context = Context(Noon(), environ, io.StringIO())
    report = toolchain.run(parser.parse_args([*arguments, "--lock", str(lock)]), context)
    assert isinstance(context.err, io.StringIO)
    return report, context.err.getvalue()


def _paths(report: Report) -> list[object]:
    section = report.envelope()["toolchain"]
    assert isinstance(section, dict)
    return [(release["version"], release["path"]) for release in section["releases"]]


def _stored(lock: Path) -> str:
    return str(next((lock.parent / "cache").rglob("restic")))


def test_list_says_what_is_stored(lock: Path) -> None:
    report, said = _run(lock)

    assert Verdict.OK is report.verdict
    assert [("1.0.0", _stored(lock)), ("10.0.0", None)] == _paths(report)
    assert "" == said
    assert f"  1.0.0   {_stored(lock)}\n  10.0.0  not stored\n" in text(report.envelope())


def test_path_of_a_stored_release_is_told(lock: Path) -> None:
    report, said = _run(lock, "path", "1.0.0")

    assert Verdict.OK is report.verdict
    assert "" == said
    assert f"  1.0.0  {_stored(lock)}\n" in text(report.envelope())


def test_path_of_another_release_is_unknown(lock: Path) -> None:
    report, _ = _run(lock, "path", "10.0.0")

    assert Verdict.UNKNOWN is report.verdict
    assert ["could-not-verify"] == [finding.kind for finding in report.findings]
    assert "toolchain fetch 10.0.0" in report.findings[0].detail


def test_one_release_that_cannot_be_had_does_not_hide_the_other(lock: Path) -> None:
    report, _ = _run(lock, "fetch")

    assert Verdict.UNKNOWN is report.verdict
    assert [("1.0.0", _stored(lock)), ("10.0.0", None)] == _paths(report)
    assert ["restic 10.0.0"] == [f.subject for f in report.findings]


def test_version_that_the_lock_lacks_is_wrong_usage(lock: Path) -> None:
    with pytest.raises(UsageError, match=r"the lock names no restic '0\.18'") as caught:
        _run(lock, "path", "0.18")
    assert "releases are 1.0.0, 10.0.0" == caught.value.remedy


def test_cache_lies_in_the_home_folder_by_default(lock: Path) -> None:
    (lock.parent / "cache").rename(lock.parent / ".cache")
    for extra in ({}, {"XDG_CACHE_HOME": "relative"}):
        found = toolchain.open_toolchain({"HOME": str(lock.parent), **extra}, lock).find("1.0.0")
        assert found is not None

    with pytest.raises(UsageError, match="no place for a cache"):
        toolchain.open_toolchain({}, lock)
