"""ptrace(2) by way of ctypes: the few requests that following a process tree needs."""

from __future__ import annotations

import ctypes
import os

WALL = 0x40000000
"""Option of waitpid(2): threads and other children alike (`__WALL`)."""

EXEC, STOP = 4, 128
"""Events: a program has begun; a stop that is no signal's delivery."""

_CONT, _GETREGS, _SETREGS = 7, 12, 13
_SEIZE, _LISTEN = 0x4206, 0x4208
_FORK, _VFORK, _CLONE, _EXEC, _EXITKILL = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 20
_IP, _CS, _REGISTERS = 16, 17, 27
_CODE_64 = 0x33

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

Registers = ctypes.c_uint64 * _REGISTERS
"""`struct user_regs_struct` of x86_64."""


def _ask(request: int, pid: int, data: object = None) -> None:
    if _libc.ptrace(request, pid, None, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def seize(pid: int) -> None:
    """Trace a process and all that it starts; they are killed where the tracer ends.

    Raises:
        OSError: it is not permitted.
    """
    _ask(_SEIZE, pid, _FORK | _VFORK | _CLONE | _EXEC | _EXITKILL)


def go_on(pid: int, signal: int = 0) -> None:
    """Let a stopped process run on, and deliver it a signal."""
    _ask(_CONT, pid, signal)


def listen(pid: int) -> None:
    """Leave a process in its group stop, until SIGCONT."""
    _ask(_LISTEN, pid)


def registers(pid: int) -> ctypes.Array[ctypes.c_uint64]:
    """Return the registers of a stopped process."""
    found = Registers()
    _ask(_GETREGS, pid, ctypes.byref(found))
    return found


def is_64_bit(found: ctypes.Array[ctypes.c_uint64]) -> bool:
    """Say whether these are the registers of a 64-bit program."""
    return found[_CS] == _CODE_64


def instruction(found: ctypes.Array[ctypes.c_uint64]) -> int:
    """Return the address of the next instruction."""
    return found[_IP]


def jump(pid: int, found: ctypes.Array[ctypes.c_uint64], address: int) -> None:
    """Let a stopped process go on at another address."""
    found[_IP] = address
    _ask(_SETREGS, pid, ctypes.byref(found))
