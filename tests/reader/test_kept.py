"""Trees that are kept: the last ones, and never more than fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from verifier.core.tree import Node
from verifier.reader.kept import KEPT_NODES, Kept


def tree(count: int) -> tuple[Node, ...]:
    return (Node("file", "file"),) * count


def test_a_tree_that_is_kept_is_the_one_that_was_read() -> None:
    kept = Kept()
    kept.keep("a", tree(3))

    assert tree(3) == kept.get("a")
    assert kept.get("b") is None


def test_what_was_asked_for_last_stays() -> None:
    kept = Kept()
    for name in "abc":
        kept.keep(name, tree(KEPT_NODES // 3))
    kept.get("a")
    kept.keep("d", tree(KEPT_NODES // 3))

    assert [True, False, True, True] == [kept.get(name) is not None for name in "abcd"]


def test_a_tree_that_is_too_large_drives_nothing_out() -> None:
    kept = Kept()
    kept.keep("a", tree(1))
    kept.keep("huge", tree(KEPT_NODES + 1))

    assert kept.get("huge") is None
    assert kept.get("a") is not None


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, KEPT_NODES)), max_size=30))
def test_never_more_is_kept_than_fits(trees: list[tuple[str, int]]) -> None:
    kept = Kept()
    for name, count in trees:
        kept.keep(name, tree(count))

    found = [kept.get(name) for name in "abcdefgh"]
    assert KEPT_NODES >= sum(len(nodes) for nodes in found if nodes is not None)
