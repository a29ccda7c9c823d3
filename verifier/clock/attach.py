"""Put one program, stopped before its first instruction, under a clock page.

Whatever goes wrong here is told to the caller, who kills the process: none goes on with the real
time in silence.
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path

from verifier.clock import ptrace
from verifier.clock.vdso import SHIM, Patch, prepare
from verifier.core.errors import ClockNotControlled

_PAGE = 4096
_USER_END = 0x7FFF_FFFF_F000
_STACK_GAP = 1 << 24
_AT_SYSINFO_EHDR = 33


class NotControlled(Exception):
    """A program cannot be put under the clock; the launcher says which, in a ClockNotControlled."""


Area = tuple[int, int, str]
"""A mapping of a process: start, end, name."""


def own_patch() -> Patch:
    """Return the patch for this kernel, made from our own vDSO.

    Raises:
        ClockNotControlled: there is none on this machine.
    """
    machine = os.uname().machine
    if machine != "x86_64":
        raise ClockNotControlled(
            "clock", f"programs of {machine} cannot be controlled", "use an x86_64 machine"
        )
    base = _vdso_base(os.getpid())
    end = next((end for start, end, _ in areas(os.getpid()) if start == base), 0)
    if not end:
        raise ClockNotControlled("vDSO", "this kernel gives none", "boot without vdso=0")
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        memory.seek(base)
        return prepare(memory.read(end - base), SHIM.read_bytes())


def attach(pid: int, patch: Patch, copy: bytes, path: bytes) -> tuple[int, int]:
    """Put a program under the clock page; return from where to where our code stands in it.

    Args:
        pid: of a process that has stopped for its exec event.
        copy: the page's words, for a program that cannot open it.
        path: of the page.

    Raises:
        NotControlled: a program of a kind that cannot be controlled.
        OSError: the process is gone, or may not be changed.
    """
    registers = ptrace.registers(pid)
    if not ptrace.is_64_bit(registers):
        raise NotControlled("is a 32-bit program")
    base = _vdso_base(pid)
    if not base:
        raise NotControlled("has no vDSO")
    page = free_page(areas(pid), base)
    entry = ptrace.instruction(registers)
    code = patch.fill(base, page=page, entry=entry, copy=copy, path=path)
    memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(memory, patch.symbols, base + patch.symbols_at)
        os.pwrite(memory, code, base + patch.code_at)
    finally:
        os.close(memory)
    ptrace.jump(pid, registers, base + patch.stub_at)
    return base + patch.code_at, base + patch.end


def areas(pid: int) -> list[Area]:
    """Return the mappings of a process, ascending."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
        fields = line.split(maxsplit=5)
        start, _, end = fields[0].partition("-")
        found.append((int(start, 16), int(end, 16), fields[5] if len(fields) == 6 else ""))
    return found


def free_page(mapped: list[Area], base: int) -> int:
    """Return the address of a free page above the vDSO, away from where a stack grows.

    Raises:
        NotControlled: there is none.
    """
    # A process that was killed meanwhile has no mappings at all.
    above = [area for area in mapped if area[0] >= base]
    for (_, end, _), (start, _, name) in pairwise([*above, (_USER_END, _USER_END, "")]):
        if start - end >= (_STACK_GAP if name == "[stack]" else _PAGE):
            return end
    raise NotControlled("has no free page")


def _vdso_base(pid: int) -> int:
    auxiliary = Path(f"/proc/{pid}/auxv").read_bytes()
    words: dict[int, int] = dict(struct.iter_unpack("<QQ", auxiliary))
    return words.get(_AT_SYSINFO_EHDR, 0)
