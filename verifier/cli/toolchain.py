"""`restic-verify toolchain`: further restic releases, kept side by side, installed nowhere."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.finding import Finding
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.restic.toolchain import Toolchain

LOCK = Path(__file__).parents[1] / "restic" / "toolchain.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "fetch", "path"),
        default="list",
        help="list (default): what the lock names; fetch: store the releases; path: where they are",
    )
    parser.add_argument("versions", metavar="VERSION", nargs="*", help="as 0.18.0 (default: all)")
    lock = (
        "a file that names releases and their digests (default: the one that comes with "
        "restic-verify)"
    )
    parser.add_argument("--lock", metavar="FILE", type=Path, default=LOCK, help=lock)


def open_toolchain(environ: Mapping[str, str], lock: Path = LOCK) -> Toolchain:
    """Return the toolchain of this user on this machine.

    Raises:
        ConfigError: there is no such lock.
        UsageError: the environment names no place for a cache.
    """
    from verifier.fleet.local import LocalHost
    from verifier.restic.toolchain import Toolchain

    cache = environ.get("XDG_CACHE_HOME") or ""
    if not Path(cache).is_absolute():
        home = environ.get("HOME")
        if not home:
            raise UsageError("HOME", "is not set, so there is no place for a cache", "set it")
        cache = str(Path(home) / ".cache")
    return Toolchain(Path(cache) / "restic-verify" / "toolchain", lock, LocalHost(env=environ))


def run(options: argparse.Namespace, context: Context) -> Report:
    """List, fetch or find the releases, and conclude."""
    started_at = context.clock.now()
    toolchain = open_toolchain(context.environ, options.lock)
    wanted = _wanted(toolchain, options.versions)
    releases: list[dict[str, str | None]] = []
    findings: list[Finding] = []
    for version in wanted:
        path: Path | None = None
        digest: str | None = None
        try:
            digest = toolchain.digest(version)
            path = _find(toolchain, options.action, version, context)
        except CannotVerify as error:
            detail = f"{error.message}; {error.remedy}"
            findings.append(Finding("could-not-verify", error.subject, detail))
        releases.append(
            {"version": version, "digest": digest, "path": None if path is None else str(path)}
        )
    return conclude(
        "toolchain",
        tuple(findings),
        Coverage("releases", len(wanted) - len(findings), len(wanted)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"lock": str(options.lock), "action": options.action},
        sections={"toolchain": {"releases": releases}},
    )


def _wanted(toolchain: Toolchain, versions: list[str]) -> tuple[str, ...]:
    known = tuple(release.version for release in toolchain.releases)
    for version in versions:
        if version not in known:
            remedy = f"releases are {', '.join(known)}"
            raise UsageError("toolchain", f"the lock names no restic {version!r}", remedy)
    return tuple(dict.fromkeys(versions)) or known


def _find(toolchain: Toolchain, action: str, version: str, context: Context) -> Path | None:
    found = toolchain.find(version)
    if found is not None or action == "list":
        return found
    if action == "fetch":
        context.err.write(f"fetching restic {version}\n")
        return toolchain.provide(version)
    raise CannotVerify(
        f"restic {version}",
        "is not stored, or is no longer what the lock names",
        f"run `restic-verify toolchain fetch {version}`",
    )
