"""`restic-verify render`: print the files that production installs, made from `verify.toml`.

Without --json, standard output is the file and nothing else, so that it can go where it belongs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import CannotVerify, UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.cycle.file import File

ALL = "all"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add("name", metavar="FILE|all", help="a file by its name, or by the end of its path")
    add("--config", metavar="FILE", help="the configuration")
    add("--into", metavar="DIR", help="write the files below this folder, with their modes")


def run(options: argparse.Namespace, context: Context) -> Report:
    """Render, and conclude in a report whose text is the files themselves."""
    from verifier.cli.drilling import find_config
    from verifier.cli.manifest import programs
    from verifier.config.load import load
    from verifier.config.own import named_files
    from verifier.cycle.render import render

    started_at = context.clock.now()
    path = find_config(options.config)
    config = load(path, context.environ)
    replaced = {name for one in named_files(config) for name in one.installed}
    rendered = {name: it for name, it in render(config).items() if name not in replaced}
    files = chosen({**rendered, **programs(config)}, options.name)
    if options.into is not None:
        write(files, Path(options.into))
    return conclude(
        "render",
        (),
        Coverage("files", len(files), len(files)),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs={"config": str(path), "config_sha256": config.digest()},
        measurements={} if options.into is None else {"files_written": len(files)},
        sections={} if options.into is not None else _sections(files),
    )


def _sections(files: Mapping[str, File]) -> dict[str, object]:
    found = [
        {"path": name, "mode": f"{file.mode:04o}", "text": file.text}
        for name, file in files.items()
    ]
    return {"files": found}


def write(files: Mapping[str, File], folder: Path) -> None:
    """Write the files below a folder, each with its mode; what is there under their names goes.

    Raises:
        CannotVerify: one of them cannot be written.
    """
    for name, file in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made anew, so that a mode which does not let us write is no hindrance.
            path.unlink(missing_ok=True)
            path.write_text(file.text, encoding="utf-8")
            path.chmod(file.mode)
        except OSError as error:
            message = f"cannot be written: {error.strerror}"
            raise CannotVerify(
                str(path), message, "name a folder that may be written to"
            ) from error


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
