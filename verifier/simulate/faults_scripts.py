"""What goes wrong in a host's backup script: text in, text out, whatever machine it stands on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from verifier.config.scenario_faults import Faults
from verifier.simulate.faults_spells import Condition, for_good

_PATHS = "\npaths=()\n"
_NAMED = re.compile(r"^options=\(-q --json .*\)$", re.MULTILINE)


class Scripted(Protocol):
    """A world whose hosts have scripts that can be changed."""

    def edit_script(self, name: str, edit: Callable[[str], str]) -> None:
        """Change a host's script from its next backup on, whatever paths it is written for."""
        ...


def script_conditions(
    faults: Faults, world: Scripted, move: Callable[[str], str] = str
) -> Iterator[Condition[bool]]:
    """Yield what becomes of the scripts of a world, each from its day on.

    Args:
        move: turns a host's exclude into what it is in that world.
    """
    for typo in faults.exclude_added:
        edit = partial(add_exclude, pattern=move(typo.pattern))
        yield for_good(typo.from_, partial(world.edit_script, typo.host, edit))
    # Where a day without a cycle lies between, two begin at once: the later name stays.
    for renamed in sorted(faults.host_renamed, key=lambda fault: fault.from_):
        edit = partial(rename_host, name=renamed.name)
        yield for_good(renamed.from_, partial(world.edit_script, renamed.host, edit))


def add_exclude(script: str, pattern: str) -> str:
    """Return the script with one more exclude."""
    line = f"options+=({_quoted(f'--exclude={pattern}')})\n"
    return script.replace(_PATHS, f"\n{line}paths=()\n", 1)


def rename_host(script: str, name: str) -> str:
    """Return the script with another host name for its snapshots."""
    return _NAMED.sub(lambda _: f"options=(-q --json {_quoted(f'--host={name}')})", script, count=1)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
