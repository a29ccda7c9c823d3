"""Whether restic may read every file of its host: the capability on its file, and what voids it.

Source: capabilities(7), getcap(8); sshd or a container with `no-new-privileges` starts programs
without what their files grant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from verifier.core.checkup import Seen, broken, fine, unclear

CAPABILITY = "cap_dac_read_search"
BIT = 2
"""CAP_DAC_READ_SEARCH in the kernel's masks."""

RIGHTS = r"""
PATH=$PATH:/usr/sbin:/sbin
echo "uid $(id -u)"
program=$(command -v "$1") && program=$(readlink -f "$program") || exit 0
echo "program $program"
grep -E '^(NoNewPrivs|CapBnd|CapEff):' /proc/self/status
options=$(findmnt -n -o OPTIONS -T "$program" 2>/dev/null) && echo "options $options"
command -v getcap >/dev/null || exit 0
echo "getcap $(getcap "$program")"
"""
"""For `sh -c`, with the program's name: one fact a line."""

_CLAUSE = re.compile(r"([a-z_,]*)([=+])([eip]+)")


def judge_rights(said: str) -> Seen:
    """Judge what `RIGHTS` printed."""
    facts = dict(_fact(line) for line in said.splitlines() if line.strip())
    remedy = (
        "run permit-restic there as root, after each upgrade of restic (`restic-verify render`)"
    )
    program = facts.get("program", "")
    if not program:
        return unclear("where restic is could not be found out", "see `command -v restic` there")
    if facts.get("uid") == "0" and _has(facts.get("CapEff"), BIT):
        return fine("root reads every file")
    if "getcap" not in facts:
        return unclear("there is no getcap to ask", "install the package libcap2-bin there")
    found = facts["getcap"].removeprefix(program)
    if not grants(found):
        has = found.strip(" =") or "no capability"
        return broken(f"{program} has {has}, so it skips what others may not read", remedy)
    saw = f"{program} has {CAPABILITY}"
    return next((broken(f"{saw}, and {why}", cure) for why, cure in _void(facts)), fine(saw))


def _void(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if facts.get("NoNewPrivs") == "1":
        cure = "let sshd there start programs with their capabilities"
        yield "no-new-privileges voids it", cure
    if "nosuid" in facts.get("options", "").split(","):
        cure = "put restic on a file system without nosuid"
        yield "its file system is mounted nosuid, which voids it", cure
    if not _has(facts.get("CapBnd"), BIT):
        cure = "give the container, or the unit of sshd, CAP_DAC_READ_SEARCH"
        yield "its session may not use it", cure


def grants(clauses: str) -> bool:
    """Say whether capabilities, as getcap prints them, make the right effective at once.

    Old releases print `= cap_dac_read_search+ep`, newer ones `cap_dac_read_search=ep`.
    """
    return any(
        (CAPABILITY in names.split(",") or not names) and {"e", "p"} <= set(flags)
        for names, _, flags in _CLAUSE.findall(clauses)
    )


def _fact(line: str) -> tuple[str, str]:
    name, _, value = line.replace("\t", " ").partition(" ")
    return name.rstrip(":"), value.strip()


def _has(mask: str | None, bit: int) -> bool:
    # Where the kernel does not say, nothing is held against it.
    try:
        return mask is None or bool(int(mask, 16) >> bit & 1)
    except ValueError:
        return True
