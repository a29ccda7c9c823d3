"""File systems mounted into a tree: what the probe of one file system sees is what restic backs up.

Method: real mounts, the real restic with and without `--one-file-system`, then the drill. Red where
a root on a device of its own is passed over, or what restic leaves out is called missing.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drill.lab import Lab, counts
from verifier.drill.manifest_script import Manifest
from verifier.drill.probe import Walk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")

Mount = Callable[..., Path]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a file system of memory on a path; or with `bind`, another path."""
    mounted: list[Path] = []

    def do(place: Path, bind: Path | None = None) -> Path:
        if bind is None:
            place.mkdir(parents=True, exist_ok=True)
            line = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
        else:
            line = ["mount", "--bind", str(bind), str(place)]
        subprocess.run(line, check=True)
        mounted.append(place)
        return place

    yield do
    for place in reversed(mounted):
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def system(lab: Lab, mount: Mount) -> Lab:
    """A tree like that of a machine: /home and /usb on devices of their own, a file bound in."""
    lab.write(etc__hosts=b"hosts", etc__resolv=b"its own")
    mount(lab.live / "home")
    mount(lab.live / "usb")
    lab.write(home__x=b"x", usb__deep__y=b"y")
    other = mount(lab.root / "other") / "resolv"
    other.write_bytes(b"bound in")
    mount(lab.live / "etc/resolv", bind=other)
    return lab


def backed_up(lab: Lab, *roots: str) -> dict[str, int]:
    """Back some roots up, each on one file system; return what the drill says of every path."""
    paths = tuple(str(lab.live) + root for root in roots)
    lab.backup("--one-file-system", *paths)
    return counts(lab.drill(include=paths, one_file_system=True))


def test_what_one_file_system_leaves_out_is_not_missing(system: Lab) -> None:
    assert {"identical": 5} == backed_up(system, "")


def test_a_root_on_a_device_of_its_own_is_looked_at(system: Lab) -> None:
    assert {"identical": 6} == backed_up(system, "", "/home")
    system.write(home__x=b"changed")
    paths = (str(system.live), f"{system.live}/home")
    found = system.drill(include=paths, one_file_system=True)

    assert {"/home/x": "changed"} == system.kinds(found)


def test_a_root_below_what_is_not_entered_is_looked_at(system: Lab) -> None:
    assert {"identical": 7} == backed_up(system, "", "/usb/deep")


def test_another_roots_device_is_not_entered_elsewhere(lab: Lab, mount: Mount) -> None:
    """Of two roots, each keeps to its own device: the second's may be mounted in the first."""
    mount(lab.live / "b")
    lab.write(a__f=b"f", b__inner__g=b"g")
    (lab.live / "a/of-b").mkdir()
    mount(lab.live / "a/of-b", bind=lab.live / "b/inner")

    assert {"identical": 6} == backed_up(lab, "/a", "/b")


@pytest.mark.parametrize("roots", [("",), ("", "/home"), ("", "/usb/deep"), ("/a", "/b")])
def test_a_manifest_of_one_file_system_lists_what_restic_backs_up(
    system: Lab, mount: Mount, roots: tuple[str, ...]
) -> None:
    mount(system.live / "b")
    system.write(a__f=b"f", b__inner__g=b"g")
    (system.live / "a/of-b").mkdir()
    mount(system.live / "a/of-b", bind=system.live / "b/inner")
    paths = [str(system.live) + root for root in roots]
    system.backup("--one-file-system", *paths)
    output = system.root / "manifest"
    Manifest(paths, str(output), one_file_system=True).write()
    listed = {json.loads(line).get("path") for line in output.read_bytes().splitlines()} - {None}

    assert {node["path"] for node in system.listed() if node["type"] == "file"} == listed


def test_everything_is_looked_at_where_file_systems_do_not_count(system: Lab) -> None:
    system.backup()

    assert {"identical": 9} == counts(system.drill())


def test_a_file_system_that_is_not_mounted_is_not_deleted_files(lab: Lab, mount: Mount) -> None:
    """Its files are gone from the host, and nothing was compared: that is never OK."""
    lab.write(kept__f=b"f")
    data = lab.live / "data"
    mount(data)
    lab.write(data__x=b"x", data__y=b"y")
    include = (str(data), f"{lab.live}/kept")
    lab.backup(*include)
    healthy = lab.kinds(lab.drill(include=include))
    # Another one, that is empty, over it: the folder beneath is as empty as this.
    mount(data)
    found = lab.drill(include=include)

    assert {} == healthy
    (empty,) = [f for f in found.findings if f.kind == "empty"]
    assert f"web1:{data}" == empty.subject
    assert "holds 2 files of it, and the host none" in empty.detail


def test_a_root_below_an_excluded_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "cache/keep/deep").mkdir(parents=True)
    (tmp_path / "cache/other").mkdir()
    excludes = [(False, r"\A/cache(?=/|\Z)"), (True, r"\A/cache/keep(?=/|\Z)")]
    walk = Walk(prefix=str(tmp_path), excludes=excludes)
    seen = {r["path"]: r.get("entered", True) for r in walk.records(["/", "/cache/keep"])}

    assert {"/", "/cache", "/cache/keep", "/cache/keep/deep"} == seen.keys()
    assert all(seen.values())


def test_a_prefix_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "current").symlink_to("tree")
    records = Walk(prefix=str(tmp_path / "current")).records(["/"])

    assert [("/", "dir"), ("/a", "dir")] == [(r["path"], r["type"]) for r in records]
