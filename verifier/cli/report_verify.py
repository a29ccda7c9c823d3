"""`restic-verify report verify`: hold signed reports against a public key and each other."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier import __version__
from verifier.cli.context import Context
from verifier.cli.finish import versions
from verifier.core.errors import UsageError
from verifier.core.report import Coverage, Report, conclude

if TYPE_CHECKING:
    from verifier.config.models import Config
    from verifier.monitor.evidence.keys import PublicKey
    from verifier.monitor.evidence.verify import Anchor, Verified

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add = parser.add_argument
    add(
        "paths",
        metavar="FOLDER|FILE",
        nargs="*",
        type=Path,
        help="the folder of signed reports, or some of them (default: evidence.folder)",
    )
    add_evidence_options(parser)


def add_evidence_options(parser: argparse.ArgumentParser) -> None:
    """Declare what says which signed reports are to be trusted, and how far."""
    add = parser.add_argument
    add(
        "--key",
        metavar="PUBLIC.pem",
        action="append",
        type=Path,
        required=True,
        help="the public key that they have to be signed with (repeated where it was changed)",
    )
    add(
        "--last",
        metavar="SHA256",
        help="SHA-256 of the newest signed report you know of; shows whether later ones were "
        "cut off",
    )
    add(
        "--history",
        metavar="FILE",
        type=Path,
        help="it knows what was signed, as --last does (default: history.file of --config)",
    )
    add("--config", metavar="FILE", help="the verify.toml that names the folder and the history")


@dataclass(frozen=True, slots=True)
class Trusted:
    """Signed reports after their check, and what they were held against.

    Attributes:
        folder: none where files were named one by one.
        history: that was asked for anchors; none where there is none.
    """

    verified: Verified
    folder: Path | None
    history: Path | None
    keys: tuple[PublicKey, ...]
    inputs: dict[str, object]


def run(options: argparse.Namespace, context: Context) -> Report:
    """Check the signed reports, and conclude."""
    from verifier.monitor.evidence.section import evidence_section

    started_at = context.clock.now()
    trusted = check(options, context)
    verified = trusted.verified
    return conclude(
        "report",
        verified.findings,
        Coverage("signed reports", len(verified.reports), verified.total),
        started_at=started_at,
        finished_at=context.clock.now(),
        tool=versions(),
        inputs=trusted.inputs,
        sections={"evidence": evidence_section(verified, trusted.folder, trusted.keys)},
    )


def check(options: argparse.Namespace, context: Context) -> Trusted:
    """Hold the signed reports that the options name against keys and anchors.

    Raises:
        UsageError: the options name none, or contradict.
        CannotVerify: a key, the folder or a file cannot be read.
    """
    from verifier.database.owned import is_there
    from verifier.monitor.evidence.keys import public_key
    from verifier.monitor.evidence.verify import verify_files, verify_folder

    keys = tuple(public_key(path) for path in options.key)
    config = _config(options, context)
    paths = options.paths or [_configured(config)]
    inputs: dict[str, object] = {
        "signed": [str(path) for path in paths],
        "keys": [key.keyid for key in keys],
    }
    files = [path for path in paths if not (is_there(path) and path.is_dir())]
    if files and options.paths:
        if len(files) < len(paths):
            raise UsageError("report verify", "a folder and files are named", "name either")
        if options.last or options.history:
            message = "files are named one by one, and their chain is not looked at"
            raise UsageError(
                "--last, --history", message, "name their folder, or leave the option away"
            )
        return Trusted(verify_files(files, keys, __version__), None, None, keys, inputs)
    if len(paths) > 1:
        raise UsageError("report verify", "several folders are named", "name one: each is a chain")
    history = options.history or _remembered(config)
    anchors = [*_last(options), *_anchors(history, paths[0])]
    inputs |= {"last": options.last, "history": str(history) if history else None}
    verified = verify_folder(paths[0], keys, anchors, __version__)
    return Trusted(verified, paths[0], history, keys, inputs)


def _config(options: argparse.Namespace, context: Context) -> Config | None:
    """Return the configuration, where one is named or needed."""
    from verifier.cli.drilling import find_config
    from verifier.config.load import load

    if options.paths and options.config is None:
        return None
    return load(find_config(options.config), context.environ)


def _configured(config: Config | None) -> Path:
    if config is None or config.evidence is None:
        remedy = "name the folder of signed reports, or write [evidence] there"
        raise UsageError("verify.toml", "has no table [evidence]", remedy)
    return Path(config.evidence.folder)


def _remembered(config: Config | None) -> Path | None:
    from verifier.database.owned import is_there

    file = Path(config.history.file) if config else None
    return file if file and is_there(file) else None


def _anchors(history: Path | None, folder: Path) -> Sequence[Anchor]:
    if history is None:
        return ()
    from verifier.monitor.evidence.remembered import anchors
    from verifier.monitor.history.memory import open_history

    with open_history(history, read_only=True) as opened:
        return anchors(opened, folder)


def _last(options: argparse.Namespace) -> Sequence[Anchor]:
    from verifier.monitor.evidence.verify import Anchor

    if options.last is None:
        return ()
    if not _DIGEST.fullmatch(options.last):
        remedy = "give the `sha256` of `signed` in a report: 64 hexadecimal digits"
        raise UsageError("--last", f"{options.last!r} is no SHA-256", remedy)
    return (Anchor(options.last.lower(), "--last"),)
