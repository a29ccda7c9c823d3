"""Where `collect` reads: journald of this machine, a file, or ClickHouse.

A source gives what is new since its cursor, and where it then stands.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from verifier.cli.context import Context
from verifier.cli.programs import local_host
from verifier.config.models import Config
from verifier.core.errors import CannotVerify, ToolMissing, UsageError
from verifier.core.host import Command, Host
from verifier.monitor.cycles import dated, parse_log
from verifier.monitor.log_lines import (
    JOURNAL_FIELDS,
    Entries,
    parse_journal,
    parse_rows,
    shape_of,
)

JOURNAL_LIMIT_S = 300.0
"""How long journalctl may take: journals of years are read in seconds."""

LOG_LIMIT_BYTES = 64 << 20
"""How large a log may be: the lines of years, and it is in memory many times over."""

OVERLAP = timedelta(days=2)
"""How far a table is read back each time: lines may reach it late. Nothing is recorded twice."""

_NO_RIGHT = "not seeing messages from other users"
_NO_JOURNAL = "No journal files were"


@dataclass(frozen=True, slots=True)
class Read:
    """What a source gave.

    Attributes:
        source: what it is called in the report.
        cursor_name: under which its cursor is kept; empty for one that has none.
        cursor: where it stands now.
    """

    source: str
    entries: Entries
    cursor_name: str = ""
    cursor: str = ""


def journal_name(options: argparse.Namespace, config: Config) -> str:
    """Return the name of the journal's cursor."""
    return f"journal {options.journal or ''}{':' if options.journal else ''}" + (
        config.coordinator.log_service
    )


def read_journal(
    options: argparse.Namespace, config: Config, context: Context, cursor: str
) -> Read:
    """Read what the coordinator's unit has said since the cursor.

    Raises:
        CannotVerify: journalctl fails, or this user may not read that journal.
    """
    service = config.coordinator.log_service
    if options.journal and not any(Path(options.journal).rglob("*.journal")):
        # journalctl would say nothing, as if nothing had happened.
        raise CannotVerify(options.journal, "holds no journal", "name its folder with --journal")
    argv = (
        "journalctl",
        *(("--directory", options.journal) if options.journal else ()),
        "--no-pager",
        "--output=json",
        "--all",
        f"--output-fields={','.join(JOURNAL_FIELDS)}",
        f"--unit={service}.service",
        *((f"--after-cursor={cursor}",) if cursor else ()),
    )
    here = local_host(context.environ, inherit=True)
    try:
        done = here.run(Command(argv), timeout_s=JOURNAL_LIMIT_S)
    except ToolMissing as error:
        remedy = "run it on the coordinator, or name the log: --log FILE"
        raise CannotVerify("journalctl", "is not on this machine", remedy) from error
    said = done.stderr.decode(errors="replace")
    if done.status:
        remedy = "run the command by hand; where the cursor is of another machine's journal, "
        remedy += "begin with another --history"
        raise CannotVerify("journalctl", f"ended with {done.status}: {done.last_lines()}", remedy)
    if _NO_RIGHT in said or _NO_JOURNAL in said:
        # It would read as if nothing had happened.
        remedy = "let this user be in the group systemd-journal, or run as the coordinator's root"
        raise CannotVerify("journalctl", f"may not be read: {done.last_lines(1)}", remedy)
    if not done.stdout:
        _require_a_journal(here, argv[:3] if options.journal else argv[:1])
    entries = parse_journal(
        done.stdout.decode(errors="replace").split("\n"), config.coordinator.name
    )
    name = journal_name(options, config)
    return Read("journal", entries, name, entries.cursor or cursor)


def _require_a_journal(here: Host, argv: tuple[str, ...]) -> None:
    """See that journald keeps one at all: journalctl says so only where no unit is asked for.

    Raises:
        CannotVerify: it keeps none.
    """
    done = here.run(Command((*argv, "--no-pager", "--lines=1")), timeout_s=JOURNAL_LIMIT_S)
    if _NO_JOURNAL in done.stderr.decode(errors="replace"):
        remedy = "run it on the coordinator, under systemd, or name the log: --log FILE"
        raise CannotVerify("journalctl", "this machine keeps no journal", remedy)


def read_log(options: argparse.Namespace) -> Read:
    """Read a file: journald's JSON, ClickHouse's JSONEachRow, or the plain lines of one run.

    Raises:
        UsageError: it cannot be read, or plain lines do not say whose and of when they are.
        CannotVerify: it is empty, or plain and of no run.
    """
    texts = _texts(options.log)
    if not any(texts):
        # It would read as if nothing had happened.
        remedy = "see that what writes it does, and name it again"
        raise CannotVerify(options.log, "holds no line", remedy)
    shape = shape_of(texts)
    if shape == "journal":
        return Read(options.log, parse_journal(texts, options.coordinator))
    if shape == "rows":
        return Read(options.log, parse_rows(texts, options.coordinator))
    if not (options.coordinator and options.began):
        remedy = "add --coordinator NAME --began 2026-03-01T04:00:00-08:00"
        raise UsageError("--log", "plain lines do not say whose they are, and of when", remedy)
    service = options.service or "run-backups"
    lines = dated(texts, options.coordinator, service, instant(options.began))
    if not parse_log(lines):
        remedy = "name what run-backups printed"
        raise CannotVerify(options.log, "no line of it is one of a run", remedy)
    return Read(options.log, Entries(tuple(lines)))


def _texts(name: str) -> list[str]:
    try:
        if name == "-":
            stream = sys.stdin
            content = stream.buffer.read(LOG_LIMIT_BYTES + 1) if stream is not None else b""
        else:
            with Path(name).open("rb") as file:
                content = file.read(LOG_LIMIT_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise UsageError(name, message, "name a file, or - for standard input") from error
    if len(content) > LOG_LIMIT_BYTES:
        message = f"is larger than {LOG_LIMIT_BYTES >> 20} MiB"
        remedy = "collect it in parts, in their order: `split -C 60M` cuts between lines"
        raise UsageError(name, message, remedy)
    return content.decode(errors="replace").splitlines()


def instant(text: str) -> datetime:
    """Parse an instant with its offset.

    Raises:
        UsageError: it is none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1970 < at.year < 9000:
        remedy = "write it as 2026-03-01T04:00:00-08:00, or with Z for UTC"
        raise UsageError("--began", f"{text!r} is no instant with an offset", remedy)
    return at.astimezone(UTC)


def read_table(config: Config, context: Context, cursor: str, now: datetime) -> Read:
    """Read the rows of the configured ClickHouse since the cursor, and some before.

    Raises:
        UsageError: none is configured.
        CannotVerify: it does not answer.
    """
    from verifier.cli.alert_look import clickhouse_source

    table = config.sinks.clickhouse
    if table is None:
        remedy = "write [sinks.clickhouse], or leave --from away"
        raise UsageError("--from", "no ClickHouse is configured", remedy)
    since = datetime.fromisoformat(cursor) - OVERLAP if cursor else datetime(1971, 1, 1, tzinfo=UTC)
    lines = clickhouse_source(table, config, context).log(since, now)
    last = max((line.at for line in lines), default=None)
    name = f"clickhouse {table.url} {table.database}.{table.table}"
    return Read("clickhouse", Entries(tuple(lines)), name, last.isoformat() if last else cursor)


def table_name(config: Config) -> str:
    """Return the name of the table's cursor; empty where none is configured."""
    table = config.sinks.clickhouse
    return f"clickhouse {table.url} {table.database}.{table.table}" if table else ""
