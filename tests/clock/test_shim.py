"""The machine code is what its source says, and it fits the vDSO of this machine."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from verifier.clock.attach import NotControlled, areas, free_page, own_patch
from verifier.clock.vdso import SHIM, prepare
from verifier.core.errors import ClockNotControlled

COMPILER = SHIM.with_name("compiler.txt")


def _built_anew(folder: Path) -> bytes:
    if shutil.which("gcc") is None:
        pytest.skip("the shim cannot be built again: install the packages gcc and binutils")
    subprocess.run([ROOT / "ci" / "clock-shim", folder], check=True)
    if (folder / "compiler.txt").read_text() != COMPILER.read_text():
        pytest.skip(
            f"the committed shim was built by {COMPILER.read_text().strip()} and here is "
            f"{(folder / 'compiler.txt').read_text().strip()}: their bytes may differ; where the "
            "source has changed, run ci/clock-shim and commit both files"
        )
    return (folder / SHIM.name).read_bytes()


def test_the_committed_code_is_a_rebuild_s(tmp_path: Path) -> None:
    assert SHIM.read_bytes() == _built_anew(tmp_path)


def test_the_code_holds_no_address_of_its_own() -> None:
    """Three offsets into itself stand in the configuration, which is filled in for each process."""
    words = struct.unpack_from("<44Q", SHIM.read_bytes())
    offsets = [word for word in words if word]

    assert 3 == len(offsets)
    assert all(352 < offset < len(SHIM.read_bytes()) for offset in offsets)


def _image() -> bytes:
    start, end = next((a, b) for a, b, name in areas(_SELF) if name == "[vdso]")
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        memory.seek(start)
        return memory.read(end - start)


_SELF = int(Path("/proc/self").readlink().name)


def test_only_the_three_clocks_change_their_place() -> None:
    image, patch = _image(), own_patch()
    before = image[patch.symbols_at : patch.symbols_at + len(patch.symbols)]
    moved = [
        at
        for at in range(0, len(before) - 23, 24)
        if before[at : at + 24] != patch.symbols[at : at + 24]
    ]
    values = {struct.unpack_from("<Q", patch.symbols, at + 8)[0] for at in moved}

    # Each under two names: its own and the one with __vdso_ in front.
    assert 6 == len(moved)
    assert 3 == len(values)
    assert all(patch.stub_at < value < patch.end for value in values)


def test_our_code_lies_in_nobody_s_way() -> None:
    patch, image = own_patch(), _image()

    assert not image[patch.code_at : patch.end].strip(b"\0")
    assert patch.end <= len(image)


def _spoilt(image: bytes, kind: str) -> bytes:
    if kind == "32-bit":
        return image[:4] + b"\x01" + image[5:]
    if kind == "full":
        return image.rstrip(b"\0")
    if kind == "nameless":
        return image.replace(b"gettimeofday", b"gettimeofdax")
    if kind == "two-pieces":
        return image[:64] + struct.pack("<IIQ", 1, 5, 4096) + image[80:]
    return b"\0" * len(image)


@pytest.mark.parametrize("kind", ["32-bit", "full", "nameless", "two-pieces", "empty"])
def test_an_unknown_vdso_is_refused(kind: str) -> None:
    image, shim = _image(), SHIM.read_bytes()
    prepare(image, shim)

    with pytest.raises(ClockNotControlled, match="cannot be changed"):
        prepare(_spoilt(image, kind), shim * (9 if kind == "full" else 1))


VDSO = (0x7000, 0x9000, "[vdso]")


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ([], 0x9000),
        ([(0x9000, 0xB000, "ld.so")], 0xB000),
        ([(0x9000, 0xB000, "ld.so"), (0xB000, 0xC000, ""), (0xE000, 0xF000, "")], 0xC000),
        # Not right below a stack, into which it would grow.
        ([(0xB000, 0xF000, "[stack]")], 0xF000),
        ([(0x9_0000_0000, 0xA_0000_0000, "[stack]")], 0x9000),
    ],
)
def test_the_page_goes_where_nothing_is(above: list[tuple[int, int, str]], expected: int) -> None:
    assert expected == free_page([(0x1000, 0x7000, "below"), VDSO, *above], VDSO[0])


def test_a_full_address_space_is_no_place_for_a_page() -> None:
    with pytest.raises(NotControlled):
        free_page([VDSO, (0x9000, 0x7FFF_FFFF_F000, "all")], VDSO[0])


def test_a_process_that_is_gone_has_no_free_page() -> None:
    """Killed between its exec and our look, its list of mappings is empty."""
    with pytest.raises(NotControlled):
        free_page([], VDSO[0])


def test_another_machine_s_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = os.uname()
    there = os.uname_result((names.sysname, names.nodename, names.release, "", "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: there)

    with pytest.raises(ClockNotControlled, match="programs of aarch64 cannot be") as caught:
        own_patch()
    assert "use an x86_64 machine" == caught.value.remedy
