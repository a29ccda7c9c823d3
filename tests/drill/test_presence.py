"""What is there on one side alone: an include that is gone, a link, a snapshot above its damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.drill.lab import HOST, Lab, counts
from verifier.cli.drilling import cleaned
from verifier.drill.monthly import Drilled


def empties(found: Drilled) -> dict[str, str]:
    """Return subject -> detail of what there was nothing to compare of."""
    return {f.subject.partition(":")[2]: f.detail for f in found.findings if f.kind == "empty"}


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """Three includes with files in each."""
    lab.write(a__x=b"x", a__y=b"y", b__z=b"z", single=b"s")
    lab.backup(*(str(lab.live / name) for name in ("a", "b", "single")))
    return lab


def includes(lab: Lab) -> tuple[str, ...]:
    """Return the includes of `filled`."""
    return tuple(str(lab.live / name) for name in ("a", "b", "single"))


def test_an_include_that_is_gone_from_the_host_is_empty(filled: Lab) -> None:
    assert {} == empties(filled.drill(include=includes(filled)))
    (filled.live / "a").rename(filled.live / "elsewhere")
    (filled.live / "single").unlink()
    found = empties(filled.drill(include=includes(filled)))

    assert {str(filled.live / name) for name in ("a", "single")} == found.keys()
    assert "holds 2 files of it" in found[str(filled.live / "a")]
    assert "holds 1 file of it" in found[str(filled.live / "single")]


def test_an_include_that_holds_other_files_by_now_is_not_empty(filled: Lab) -> None:
    for name in ("x", "y"):
        (filled.live / "a" / name).unlink()
    filled.write(a__new=b"new")

    assert {} == empties(filled.drill(include=includes(filled)))


def test_an_include_that_was_excluded_since_is_not_empty(filled: Lab) -> None:
    exclude = (f"{filled.live}/a/*",)

    assert {} == empties(filled.drill(include=includes(filled), exclude=exclude))


def test_a_live_tree_that_stands_elsewhere_is_empty_here(filled: Lab) -> None:
    found = filled.drill(include=includes(filled), source_root="/nonexistent")

    assert set(includes(filled)) == empties(found).keys()
    assert {"deleted": 6} == counts(found)


def test_an_include_within_another_is_told_by_itself(lab: Lab) -> None:
    lab.write(f=b"f", sub__g=b"g")
    lab.backup(str(lab.live), str(lab.live / "sub"))
    (lab.live / "sub/g").unlink()
    both = (str(lab.live), f"{lab.live}/sub")

    assert {f"{lab.live}/sub"} == empties(lab.drill(include=both)).keys()


def test_an_include_that_is_a_link_says_what_is_not_in_the_backup(lab: Lab) -> None:
    lab.write(real__x=b"x", other__y=b"y")
    (lab.live / "link").symlink_to("real")
    linked = (str(lab.live / "link"), str(lab.live / "other"))
    lab.backup(*linked)
    found = empties(lab.drill(include=linked))

    assert {str(lab.live / "link")} == found.keys()
    assert f"what lies in {lab.live}/real is not in it" in found[str(lab.live / "link")]
    both = (*linked, str(lab.live / "real"))
    lab.backup(*both)
    assert {} == empties(lab.drill(include=both))


@pytest.mark.parametrize("written", ["{0}/", "/{0}", "{0}/.", "{0}/../a", "{0}//"])
def test_an_include_is_the_same_however_it_is_written(filled: Lab, written: str) -> None:
    include = cleaned([written.format(filled.live / "a"), *includes(filled)[1:]])

    assert includes(filled) == include
    assert ("/",) == cleaned(["/"]) == cleaned(["//"])
    assert () == filled.drill(include=include).findings


def test_a_damaged_tree_above_the_root_loses_it_and_nothing_is_missing(lab: Lab) -> None:
    lab.write(x=b"x", sub__y=b"y")
    lab.backup()
    repository = lab.open()
    (snapshot,) = repository.snapshots()
    nodes = repository.tree(snapshot.tree)
    assert isinstance(nodes, tuple)
    # The tree of the first folder of the root's path: neither the top one nor the root's own.
    (copy,) = repository.index.find(nodes[0].subtree)
    (pack,) = lab.repository.glob(f"data/*/{copy.pack}")
    content = bytearray(pack.read_bytes())
    content[copy.offset + copy.length - 1] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    found = lab.drill()

    assert {"lost": 1} == counts(found)
    assert f"{HOST}:{lab.live}" in {f.subject for f in found.findings if f.kind == "lost"}


def test_links_that_restic_does_not_count_are_not_held_against_it(lab: Lab) -> None:
    lab.write(f=b"f")
    os.mkfifo(lab.live / "pipe")
    Path(lab.live / "pipe2").hardlink_to(lab.live / "pipe")
    Path(lab.live / "g").hardlink_to(lab.live / "f")
    lab.backup()

    assert {"identical": 5} == counts(lab.drill())
