"""The vDSO and how it is changed: pure functions from an image to the bytes to write over it.

Libc and Go find the kernel's clock functions by name in the symbol table of the vDSO, which is the
same in every 64-bit process of a kernel. The changed table points these names at our own code,
which stands in the padding behind the image. Names, hashes and versions stay as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verifier.core.errors import ClockNotControlled

SHIM = Path(__file__).with_name("shim") / "shim_x86_64.bin"
"""Built by `ci/clock-shim` from shim.c, which says what stands where."""

_CONFIGURATION = struct.Struct("<QQQQ16s8s296s")
_STUB_AT = _CONFIGURATION.size
_FUNCTIONS = struct.Struct("<16x3Q")
PATH_BYTES_MAX = 295

_CLOCK, _DAY, _TIME = "clock_gettime", "gettimeofday", "time"
_PT_LOAD, _PT_DYNAMIC, _DT_STRTAB, _DT_SYMTAB = 1, 2, 5, 6
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True, slots=True)
class Patch:
    """What is written over the vDSO of each program.

    Attributes:
        symbols_at, symbols: offset and bytes of the changed symbol table.
        code_at, code: offset and bytes of our code, its configuration not filled in.
        clock_at, day_at: offsets of the vDSO's own `clock_gettime` and `gettimeofday`.
    """

    symbols_at: int
    symbols: bytes
    code_at: int
    code: bytes
    clock_at: int
    day_at: int

    @property
    def stub_at(self) -> int:
        """Offset of the instruction with which a program begins."""
        return self.code_at + _STUB_AT

    @property
    def end(self) -> int:
        """Offset behind all that is ours."""
        return self.code_at + len(self.code)

    def fill(self, base: int, *, page: int, entry: int, copy: bytes, path: bytes) -> bytes:
        """Return the code for one process.

        Args:
            base: where its vDSO is mapped.
            page: where the stub maps the clock page.
            entry: where the program itself begins.
            copy: the clock page as it is now, for a process that cannot open it.
            path: of the clock page.
        """
        assert len(copy) == 24, "two words and the mark"
        assert len(path) <= PATH_BYTES_MAX, "checked when the page was opened"
        functions = base + self.clock_at, base + self.day_at
        words = _CONFIGURATION.pack(page, entry, *functions, copy[:16], copy[16:], path)
        return words + self.code[len(words) :]


def prepare(image: bytes, shim: bytes) -> Patch:
    """Return what is written over this image of the vDSO.

    Raises:
        ClockNotControlled: the image is not one we know how to change.
    """
    if image[:6] != b"\x7fELF\x02\x01":
        raise _unknown("it is no 64-bit ELF image")
    symbols_at, strings_at, loaded_end = _tables(image)
    code_at = _room(image, loaded_end, len(shim))
    ours = dict(zip((_CLOCK, _DAY, _TIME), _FUNCTIONS.unpack_from(shim), strict=True))
    table, originals = bytearray(image[symbols_at:strings_at]), dict[str, int]()
    for at, name, value in _symbols(image, symbols_at, strings_at):
        if name in ours:
            originals[name] = value
            struct.pack_into("<Q", table, at + 8, code_at + ours[name])
    if originals.keys() != ours.keys():
        raise _unknown("it has no symbol " + ", ".join(sorted(ours.keys() - originals.keys())))
    return Patch(symbols_at, bytes(table), code_at, shim, originals[_CLOCK], originals[_DAY])


def _tables(image: bytes) -> tuple[int, int, int]:
    """Return where the symbols and their names stand, and where the loaded part ends."""
    (headers_at,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    found: dict[int, tuple[int, int, int]] = {}
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from(
            "<IIQQQQ", image, headers_at + number * size
        )
        found.setdefault(kind, (offset, address, length))
    if not {_PT_LOAD, _PT_DYNAMIC} <= found.keys() or found[_PT_LOAD][:2] != (0, 0):
        raise _unknown("it is not loaded as one piece")
    offset, _, length = found[_PT_DYNAMIC]
    dynamic = dict(struct.iter_unpack("<qQ", image[offset : offset + length]))
    symbols_at, strings_at = dynamic.get(_DT_SYMTAB, 0), dynamic.get(_DT_STRTAB, 0)
    # The linker script of every kernel puts the names right behind the symbols.
    if not 0 < symbols_at < strings_at < len(image):
        raise _unknown("its symbols are not where they should be")
    return symbols_at, strings_at, found[_PT_LOAD][2]


def _symbols(image: bytes, symbols_at: int, strings_at: int) -> Iterator[tuple[int, str, int]]:
    for at in range(0, (strings_at - symbols_at) // _SYMBOL.size * _SYMBOL.size, _SYMBOL.size):
        name_at, _, _, _, value, _ = _SYMBOL.unpack_from(image, symbols_at + at)
        start = strings_at + name_at
        name = image[start : image.index(b"\0", start)].decode(errors="replace")
        yield at, name.removeprefix("__vdso_"), value


def _room(image: bytes, loaded_end: int, length: int) -> int:
    # Behind the section headers, which nobody needs but debuggers; over them, if it must be.
    for end in (len(image.rstrip(b"\0")), loaded_end):
        at = -(-end // 16) * 16
        if at + length <= len(image):
            return at
    raise _unknown("there is no room behind it")


def _unknown(what: str) -> ClockNotControlled:
    return ClockNotControlled(
        "vDSO",
        f"this kernel's cannot be changed: {what}",
        "use a kernel of another version, or days in the past, which need no controlled clock",
    )
