"""Make a mount namespace and a network namespace harmless, from inside: seal.py FOLDER...

Everything that is mounted is read-only from then on, but for what is mounted at these folders, and
the loopback is up. A program of its own, run by `apart.sh`; nothing but the standard library is
needed. Sources: mount_setattr(2), netdevice(7).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_MOUNT_SETATTR = 442
"""The same on every kind of machine."""

_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_RDONLY = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def _set_attributes(path: str, flags: int, *, add: int = 0, clear: int = 0) -> None:
    attributes = struct.pack("=4Q", add, clear, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    words = _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, attributes
    if libc.syscall(*words, ctypes.c_size_t(len(attributes))) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount_setattr (Linux 5.12): {os.strerror(number)}", path)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16s24x", b"lo")
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked)
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def _main() -> None:
    try:
        _set_attributes("/", _AT_RECURSIVE, add=_RDONLY)
        for folder in sys.argv[1:]:
            _set_attributes(folder, 0, clear=_RDONLY)
        _raise_loopback()
    except OSError as error:
        raise SystemExit(f"restic-verify: {error.filename or 'lo'}: {error.strerror}") from None


if __name__ == "__main__":
    _main()
