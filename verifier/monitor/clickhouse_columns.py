"""Which columns a table of ClickHouse has: one that was there before ours need not have them all.

Asked only where the server has refused a column, so a user who may do nothing but insert into our
own tables needs no other right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from verifier.core.errors import CannotVerify

LOGS_NEEDED = ("when", "service", "data")
"""Without these a table holds no lines; that of one machine need not say whose they are."""

ROWS_NEEDED = ("when", "id")
"""Without these the other tables hold nothing that could be told apart."""

NO_COLUMN = re.compile(r"Code: (?:16|47)\b")
"""What a server says of a column that it does not have."""


def description(named: str) -> str:
    """Return the query for a table's columns; the table's name is quoted."""
    return f"DESCRIBE TABLE {named} FORMAT JSONEachRow"


def parse_columns(answer: str, named: str, needed: Iterable[str]) -> frozenset[str]:
    """Return the names of a table's columns from the answer.

    Raises:
        CannotVerify: one is not there that is needed.
    """
    try:
        found = frozenset(str(json.loads(line)["name"]) for line in answer.splitlines())
    except (ValueError, TypeError, KeyError) as error:
        remedy = "see that sinks.clickhouse names the HTTP interface of a ClickHouse"
        raise CannotVerify(named, "is described in words that are none", remedy) from error
    lacking = [name for name in needed if name not in found]
    if lacking:
        several = "s" if len(lacking) > 1 else ""
        message = f"has no column{several} {', '.join(f'`{name}`' for name in lacking)}"
        remedy = "add what is missing, or name another table in [sinks.clickhouse]"
        raise CannotVerify(named, message, remedy)
    return found
