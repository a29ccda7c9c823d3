"""Which entries are chosen for a rehearsal: within the budget, the same each time, and fair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from verifier.core.entry import Entry, path_order
from verifier.drill.applications import groups
from verifier.drill.recorded import Recorded
from verifier.drill.sample import DRAWN, ENTRIES, LARGEST, NEWEST, Sample, Wanted, choose_sample
from verifier.drill.special import ZEROS


def file(path: str, size: int = 10, content: tuple[str, ...] = ("aa",), **values: Any) -> Recorded:
    """Return a recorded file."""
    values = {"permissions": 0o644, "attributes": {}, **values}
    return Recorded(Entry(path, "file", size, **values), content)


def folder(path: str, **values: Any) -> Recorded:
    """Return a recorded directory."""
    return Recorded(Entry(path, "dir", permissions=0o755, attributes={}, **values))


def choose(recorded: Iterable[Recorded], budget: int = 1 << 20, **values: Any) -> Sample:
    """Choose from entries in whatever order they are given."""
    ordered = sorted(recorded, key=lambda one: path_order(one.entry.path))
    return choose_sample(ordered, Wanted(budget, values.pop("seed", 1), **values))


def plain(count: int) -> list[Recorded]:
    """Return files with nothing special about them."""
    return [file(f"/d/file{number:05}", mtime_ns=number) for number in range(count)]


trees = st.lists(
    st.builds(
        lambda name, kind, size, mtime, mode, inode: Recorded(
            Entry(
                f"/{name}",
                kind,
                size if kind == "file" else 0,
                mode,
                mtime_ns=mtime,
                inode=(1, inode) if inode and kind != "dir" else None,
                attributes={},
            ),
            (ZEROS,) if size == 7 else ("aa",),
        ),
        st.from_regex(r"[ab](/[ab.]){0,3}(\.git|\.db|-wal|-journal)?", fullmatch=True),
        st.sampled_from(["file", "file", "file", "dir", "symlink", "fifo"]),
        st.integers(0, 50),
        st.integers(0, 1000),
        st.sampled_from([0o644, 0, 0o4755]),
        st.integers(0, 3),
    ),
    max_size=40,
    unique_by=lambda one: one.entry.path,
)


@given(trees, st.integers(0, 400), st.integers(0, 30), st.integers())
def test_sample_is_within_its_bounds(
    tree: list[Recorded], budget: int, entries: int, seed: int
) -> None:
    found = choose(
        tree,
        budget,
        seed=seed,
        entries=entries,
        applications=groups(()),
        whole=lambda path: path.endswith(".git"),
        canaries={"/a", "/b"},
    )
    paths = [one.entry.path for one in found.entries]

    assert sorted(set(paths), key=path_order) == paths
    assert set(paths) <= {one.entry.path for one in tree}
    assert set(paths) == set(found.reasons)
    assert len(paths) <= entries
    assert found.size_bytes == sum(o.entry.size for o in found.entries if o.entry.type == "file")
    assert found.size_bytes <= budget
    assert found.total == len(tree)


@given(st.integers())
def test_same_seed_gives_the_same_sample(seed: int) -> None:
    first, second = (choose(plain(300), 500, seed=seed) for _ in range(2))

    assert first == second


def test_another_seed_gives_another_sample() -> None:
    first, second = (choose(plain(300), 500, seed=seed) for seed in (1, 2))

    assert first.reasons != second.reasons


def test_everything_is_chosen_where_it_fits() -> None:
    assert len(choose(plain(500)).entries) == 500
    assert len(choose(plain(ENTRIES + 500)).entries) == ENTRIES


def test_drawing_favours_nobody() -> None:
    """Each of 95 files is drawn about as often; five are chosen before as the newest and largest.

    The bounds are five standard deviations: a fair draw stays within them.
    """
    files = [file(f"/f{number}", mtime_ns=0) for number in range(100)]
    drawn: Counter[str] = Counter()
    for seed in range(400):
        found = choose(files, 200, seed=seed)
        drawn.update(path for path, reason in found.reasons.items() if reason == DRAWN)
    expected = sum(drawn.values()) / 95

    assert len(drawn) == 95
    assert all(abs(count - expected) < 5 * expected**0.5 for count in drawn.values())


def test_newest_and_largest_are_among_them() -> None:
    files = [*plain(3000), file("/new", mtime_ns=10**18), file("/big", size=4000, mtime_ns=-1)]
    found = choose(files, 20_000)

    assert found.reasons["/new"] == NEWEST
    assert found.reasons["/big"] == LARGEST


def test_a_fresh_ctime_makes_a_file_new() -> None:
    assert choose([*plain(3000), file("/moved", ctime_ns=10**18)], 2000).reasons["/moved"] == NEWEST


def test_one_file_never_takes_all() -> None:
    found = choose([*plain(100), file("/huge", size=900)], 1000)

    assert len(found.entries) > 50


def test_canaries_come_first() -> None:
    files = [*plain(3000), file("/deep/canary", size=990)]
    found = choose(files, 1000, canaries={"/deep/canary", "/gone"})

    assert found.reasons["/deep/canary"] == "canary"
    assert found.absent == ("/gone",)


def test_what_is_lost_is_not_tried() -> None:
    lost = Recorded(Entry("/lost", "file", 5, attributes={}), ("aa",), "its pack is gone")
    found = choose([file("/good"), lost])

    assert [one.entry.path for one in found.entries] == ["/good"]
    assert found.passed_over == {"known to be lost": 1}


def test_each_special_kind_is_among_them() -> None:
    acl, note = {"system.posix_acl_access": "02"}, {"user.note": "01"}
    special = {
        "/acl": file("/acl", attributes=acl),
        "/note": file("/note", attributes=note),
        "/setuid": file("/setuid", permissions=0o4755),
        "/closed": file("/closed", permissions=0),
        "/sparse": file("/sparse", content=("aa", ZEROS)),
        "/none": file("/none", size=0, content=()),
        "/odd\n": file("/odd\n"),
        "/trail ": file("/trail "),
        "/\udcff": file("/\udcff"),
        "/link": Recorded(Entry("/link", "symlink", attributes={})),
        "/pipe": Recorded(Entry("/pipe", "fifo", attributes={})),
        "/null": Recorded(Entry("/null", "chardev", attributes={})),
        "/empty-dir": folder("/empty-dir"),
        "/zz-last-dir": folder("/zz-last-dir"),
        "/" + "long/" * 60 + "x": file("/" + "long/" * 60 + "x"),
    }
    many = [file(f"/d/file{number:05}", mtime_ns=10**9 + number) for number in range(5000)]
    found = choose([*special.values(), *many, folder("/d")], 8_000, entries=200)
    odd = {"/odd\n", "/trail ", "/\udcff"}

    assert set(special) - odd <= set(found.reasons)
    assert len(odd & set(found.reasons)) >= 2
    assert "/d" not in found.reasons


def test_hard_links_come_in_pairs() -> None:
    linked = [file(f"/linked{number}", inode=(1, 7)) for number in range(2)]
    alone = file("/alone", inode=(1, 8))
    found = choose([*linked, alone, *plain(5000)], 2_000, entries=40)

    assert [found.reasons[one.entry.path] for one in linked] == ["special: hard link"] * 2


def test_a_database_brings_its_journal() -> None:
    names = ["/b/x.db", "/b/x.db-a/in", "/b/x.db-foo", "/b/x.db-journal", "/b/x.db-wal", "/b/x.dbz"]
    found = choose([*map(file, names), *plain(5000)], 5_000, entries=40, applications=groups(()))
    taken = {path for path in names if found.reasons.get(path, "").startswith("application")}

    assert taken == {"/b/x.db", "/b/x.db-journal", "/b/x.db-wal"}


def test_a_git_repository_comes_whole() -> None:
    inside = ["/r/.git/HEAD", "/r/.git/objects/aa/bb", "/r/.git/refs/heads/main"]
    tree = [folder("/r/.git"), folder("/r/.git/objects"), *map(file, inside), file("/r/.gitignore")]
    options: dict[str, Any] = {
        "applications": groups(()),
        "whole": lambda path: path.endswith(".git"),
    }
    found = choose([*tree, *plain(5000)], 5_000, entries=100, **options)

    assert found.whole == ("/r/.git",)
    assert set(inside) <= set(found.reasons)

    small = choose([*tree, *plain(5000)], 5_000, entries=8, **options)

    assert small.whole == ()
    assert small.passed_over == {"a directory of use only whole, too large or damaged": 1}


def test_a_damaged_git_repository_is_not_judged() -> None:
    bad = Recorded(Entry("/r/.git/objects/aa", "file", 5, attributes={}), ("aa",), "gone")
    tree = [folder("/r/.git"), file("/r/.git/HEAD"), bad]
    found = choose(
        tree, applications=groups(()), whole=lambda path: path.endswith(".git"), entries=100
    )

    assert found.whole == ()
