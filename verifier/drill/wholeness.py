"""Say whether one file is whole, as the program that it belongs to would.

A script of its own: `applications` runs it in a child process, where a hostile file can neither
hang the drill nor take its memory. It ends with 0 for a whole file, `REFUSED_STATUS` for a damaged
one, and anything else where it cannot tell; why stands on standard error. Nothing that a file holds
is kept or followed.
"""

from __future__ import annotations

import json
import re
import resource
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_from_bytes
from xml.parsers import expat

from verifier.drill.archives import Undecided, check_archive
from verifier.drill.tarball import Refused

MEMORY_BYTES = 1 << 30
"""A file whose check takes more than this is not decided."""

REFUSED_STATUS = 65
"""Not 1, with which Python ends for any error of ours, and for a module that it does not find."""

_UNDECIDED_STATUS = 75

_SAID = 300
_HEAD_BYTES = 512
_FOREIGN = re.compile(
    "no such (module|collation|function|tokenizer)|unknown (function|tokenizer)|"
    "unsupported file format|unable to open|readonly database|disk is full|disk I/O error|locked"
)
"""What SQLite says of a database that needs more than this SQLite, or this folder, has."""

_UNREAD_XML = (1, 18, 43)
"""By number, as older Pythons lack the names: no memory, unknown encoding, amplification."""

_XML_1_1 = re.compile(rb"<\?xml\s+version\s*=\s*[\"']1\.[1-9]")


def check_sqlite(path: Path) -> None:
    """Let SQLite check a database page by page, with its journal where there is one."""
    name = str(path)
    beside = [own for end in ("-wal", "-journal") if (own := Path(name + end)).exists()]
    # Only a journal makes it write, into the restored copy; without one nothing can change.
    mode = "mode=rw" if beside else "mode=ro&immutable=1"
    for own in (path, *beside) if beside else ():
        with suppress(OSError):
            own.chmod(0o600)
    uri = f"file:{quote_from_bytes(name.encode(errors='surrogateescape'))}?{mode}"
    try:
        base = sqlite3.connect(uri, uri=True)
        try:
            base.execute("PRAGMA trusted_schema = OFF")
            base.execute("PRAGMA temp_store = MEMORY")
            found = [str(row[0]) for row in base.execute("PRAGMA integrity_check(3)")]
            base.execute("SELECT count(*) FROM sqlite_master").fetchall()
        finally:
            base.close()
    except sqlite3.Error as error:
        kind = Undecided if _FOREIGN.search(str(error)) else Refused
        raise kind(str(error)) from None
    if found != ["ok"]:
        raise Refused("; ".join(found))


def check_json(path: Path) -> None:
    """Parse a file as JSON, in whichever UTF it is."""
    try:
        # Python takes quadratic time for a number of a million digits, and refuses to.
        json.loads(path.read_bytes(), parse_int=len)
    except RecursionError:
        raise Undecided("it is nested too deep to be parsed here") from None
    except ValueError as error:
        raise Refused(str(error)) from None


def check_xml(path: Path) -> None:
    """Parse a file as XML; no entity in its text is expanded, and none is fetched."""
    parser = expat.ParserCreate()
    # That there is such a handler is what keeps expat from expanding them.
    parser.DefaultHandler = lambda _: None
    with path.open("rb") as stream:
        foreign = _XML_1_1.match(stream.read(_HEAD_BYTES))
        stream.seek(0)
        try:
            parser.ParseFile(stream)
        except expat.ExpatError as error:
            kind = Undecided if foreign or error.code in _UNREAD_XML else Refused
            raise kind(str(error)) from None
        except ValueError as error:
            # Of encodings expat knows those of one byte a letter, and Unicode's.
            raise Undecided(str(error)) from None


CHECKS: Mapping[str, Callable[[Path], None]] = {
    "sqlite": check_sqlite,
    "archive": check_archive,
    "json": check_json,
    "xml": check_xml,
}


def main(arguments: list[str]) -> int:
    """Check one file: the arguments are a key of `CHECKS` and a path."""
    check, path = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        CHECKS[check](Path(path))
    except Refused as error:
        return _end(REFUSED_STATUS, str(error))
    except Undecided as error:
        return _end(_UNDECIDED_STATUS, str(error))
    except MemoryError:
        return _end(
            _UNDECIDED_STATUS, f"its check takes more than {MEMORY_BYTES >> 20} MiB of memory"
        )
    except OSError as error:
        return _end(_UNDECIDED_STATUS, f"it could not be read: {error.strerror or error}")
    return 0


def _end(status: int, said: str) -> int:
    sys.stderr.write(said.encode("ascii", "backslashreplace").decode()[:_SAID] + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
