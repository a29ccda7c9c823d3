"""What the kernel says of its own clock: whether something keeps it right, and how well.

Asked by `adjtimex` without changing anything, as `timedatectl` does; source: adjtimex(2).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_TIME_ERROR = 5
_SIZE_BYTES = 512
"""More than any kernel's `struct timex`."""


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * _SIZE_BYTES),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The kernel's word.

    Attributes:
        synchronised: something has set it lately.
        error_s: how wrong it may be at most, where something has.
    """

    synchronised: bool
    error_s: float


def kernel_clock() -> KernelClock | None:
    """Ask the kernel; none where it does not say."""
    libc = ctypes.CDLL(None, use_errno=True)
    answer = _Timex()
    state = libc.adjtimex(ctypes.byref(answer))
    if state < 0:
        return None
    return KernelClock(state != _TIME_ERROR, answer.maxerror / 1e6)
