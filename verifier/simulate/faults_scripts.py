"""What goes wrong in a host's backup script: text in, text out, whatever machine it stands on.

A script that has been changed already is returned as it is, so that a fault may be done every day.
"""

from __future__ import annotations

import re

_PATHS = "\npaths=()\n"
_NAMED = re.compile(r"^options=\(-q --json .*\)$", re.MULTILINE)


def add_exclude(script: str, pattern: str) -> str:
    """Return the script with one more exclude."""
    line = f"options+=({_quoted(f'--exclude={pattern}')})\n"
    return script if line in script else script.replace(_PATHS, f"\n{line}paths=()\n", 1)


def rename_host(script: str, name: str) -> str:
    """Return the script with another host name for its snapshots."""
    return _NAMED.sub(lambda _: f"options=(-q --json {_quoted(f'--host={name}')})", script, count=1)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
