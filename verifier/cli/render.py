"""`restic-verify render`: the files that production installs, made from `verify.toml`.

Printed, standard output is the file and nothing else, so that it can go where it belongs. `--into`
installs them, `--check` says what of it is not as it should be.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.cycle.file import File

ALL = "all"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    text = "a file by its name, or by the end of its path (default: all)"
    add("name", metavar="FILE|all", nargs="?", default=ALL, help=text)
    add("--config", metavar="FILE", help="the configuration")
    add("--machine", metavar="NAME", help="the files of this machine alone, by their paths on it")
    add("--into", metavar="DIR", help="write missing and changed files below this folder")
    add("--yes", action="store_true", help="with --into: overwrite what differs, unasked")
    add(
        "--diff", action="store_true", help="with --into: show what would change, and write nothing"
    )
    add("--check", metavar="DIR", help="say what below this folder is not what verify.toml says")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Render, and conclude in a report whose text is the files, or what became of them."""
    from verifier.cli.drilling import find_config
    from verifier.cli.installing import Installed, install_files, look
    from verifier.config.contradictions import misplaced
    from verifier.config.load import load
    from verifier.config.problems import combined, read_text

    _refuse_contradictions(options)
    started_at = context.clock.now()
    path = find_config(options.config)
    config = load(path, context.environ)
    problems = list(misplaced(config))
    if problems:
        raise combined(str(path), read_text(path), problems)
    files = chosen(of_machine(all_files(config), config, options.machine), options.name)
    if options.check is not None or options.diff:
        done = look(files, Path(options.check or options.into))
    elif options.into is not None:
        done = install_files(files, Path(options.into), context, unasked=options.yes)
    else:
        done = Installed((), {}, {"files": _printed(files)})
    return conclude(
        "render",
        done.findings,
        Coverage("files", len(files), len(files)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"config": str(path), "config_sha256": config.digest()},
        measurements=done.measurements,
        sections=done.sections,
    )


def all_files(config: Config) -> dict[str, File]:
    """Return every file by its name below the machine that it belongs to.

    What the user's own files replace is not among them.
    """
    from verifier.cli.manifest import programs
    from verifier.cli.monitoring import monitoring
    from verifier.config.own import named_files
    from verifier.cycle.render import render

    replaced = {name for one in named_files(config) for name in one.installed}
    rendered = {name: it for name, it in render(config).items() if name not in replaced}
    return {**rendered, **programs(config), **monitoring(config)}


def of_machine(files: Mapping[str, File], config: Config, name: str | None) -> dict[str, File]:
    """Return the files of one machine by their paths on it; all of them where none is named.

    The coordinator has those of the hosts that are itself, too.

    Raises:
        UsageError: there is no such machine, or two files would stand in one place on it.
    """
    if name is None:
        return dict(files)
    hosts = {host.name: host for host in config.hosts}
    parts = [f"hosts/{name}/"] if name in hosts else []
    if name == config.coordinator.name:
        local = [host.name for host in config.hosts if host.is_local]
        parts = ["coordinator/", *parts, *(f"hosts/{host}/" for host in local if host != name)]
    if not parts:
        known = ", ".join(dict.fromkeys((config.coordinator.name, *hosts)))
        raise UsageError("--machine", f"there is no machine {name!r}", f"machines are {known}")
    found: dict[str, File] = {}
    for part in parts:
        for path, file in files.items():
            there = path.removeprefix(part)
            if path.startswith(part) and found.setdefault(there, file) is not file:
                remedy = "let one [[hosts]] table alone be this machine"
                raise UsageError(f"/{there}", f"two hosts would have it on {name}", remedy)
    return found


def _printed(files: Mapping[str, File]) -> list[dict[str, object]]:
    return [
        {"path": name, "mode": f"{file.mode:04o}", "text": file.text}
        for name, file in files.items()
    ]


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.check is not None and options.into is not None:
        raise UsageError("--check", "does not go with --into", "give one of the two")
    if (options.yes or options.diff) and options.into is None:
        name = "--yes" if options.yes else "--diff"
        raise UsageError(name, "goes with --into alone", "name a folder: --into DIR")
    if options.yes and options.diff:
        raise UsageError("--yes", "does not go with --diff", "give one of the two")


def chosen(files: Mapping[str, File], name: str) -> dict[str, File]:
    """Return the files of that name: the end of a path, component by component, or all of them.

    Of one that is the same for all its hosts, one is enough.

    Raises:
        UsageError: there is none, or several hosts have one of their own.
    """
    if name == ALL:
        return dict(files)
    wanted = f"/{name.strip('/')}"
    found = {path: file for path, file in files.items() if f"/{path}".endswith(wanted)}
    if len(set(found.values())) == 1:
        return dict([next(iter(found.items()))])
    if found:
        remedy = f"name one of {', '.join(found)}"
        raise UsageError(name, f"{len(found)} files have this name", remedy)
    names = sorted({path.rpartition("/")[2] for path in files})
    raise UsageError(name, "is no file that is rendered", f"files are {', '.join(names)}, or all")
