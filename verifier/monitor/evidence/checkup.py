"""Whether reports could be signed: the key and the folder, asked before a drill needs them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from verifier.config.monitor import Evidence
from verifier.core.checkup import Question, Seen, Subject, broken, fine, needless
from verifier.core.errors import CannotVerify
from verifier.database.owned import is_there
from verifier.monitor.evidence.folder import stored
from verifier.monitor.evidence.keys import private_key


def evidence(table: Evidence | None) -> Subject:
    """Return the questions about signed reports."""
    if table is None:
        none = Question("evidence", lambda: needless("no [evidence]: reports are not signed"))
        return Subject("evidence", (none,))
    key = Question("key", partial(ask_key, Path(table.key)))
    folder = Question("folder", partial(ask_folder, Path(table.folder)))
    return Subject("evidence", (key, folder))


def ask_key(path: Path) -> Seen:
    """See whether the key signs."""
    try:
        signer = private_key(path)
    except CannotVerify as error:
        # That it cannot be used was seen: nothing would be signed with it.
        return broken(f"{error.subject}: {error.message}", error.remedy)
    return fine(f"ed25519, ID {signer.public_key.keyid[:16]}")


def ask_folder(folder: Path) -> Seen:
    """See whether signed reports could be written, and how many there are.

    Raises:
        CannotVerify: this user may not look there.
    """
    there = next(path for path in (folder, *folder.parents) if is_there(path))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        remedy = "let this user write there, or name another evidence.folder"
        return broken(f"{there} cannot be written to by this user", remedy)
    count = len(stored(folder)) if there == folder else 0
    return fine(f"{folder} holds {count}" if count else f"{folder} can be written to")
