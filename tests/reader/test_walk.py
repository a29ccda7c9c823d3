from __future__ import annotations

from itertools import islice

from verifier.core.tree import Node
from verifier.reader.damage import Damage
from verifier.reader.walk import MAX_DEPTH, fold, walk

ABSENT = Damage("index", 0, "", "lists no such blob")


def folder(name: str, tree: str) -> Node:
    return Node(name, "dir", subtree=tree)


def reader(trees):
    return lambda tree_id: trees.get(tree_id, ABSENT)


def count(tree_id, nodes, below):
    if isinstance(nodes, Damage):
        return 0
    return sum(1 + below.get(node.subtree, 0) for node in nodes)


def test_walk_goes_down_before_it_goes_on():
    trees = {"r": (folder("a", "x"), Node("c", "file")), "x": (Node("b", "file"),)}

    assert [path for path, _ in walk(reader(trees), "r")] == ["/a", "/a/b", "/c"]


def test_walk_goes_on_after_a_damaged_directory():
    found = list(walk(reader({"r": (folder("a", "gone"), Node("c", "file"))}), "r"))

    assert [path for path, _ in found] == ["/a", "/a", "/c"]
    assert found[1][1] is ABSENT


def test_walk_of_a_tree_that_holds_itself_ends():
    found = list(walk(reader({"r": (folder("a", "r"),)}), "r"))

    assert len(found) == MAX_DEPTH + 1
    assert isinstance(found[-1][1], Damage)


def test_walk_of_vast_shared_trees_costs_only_what_is_taken():
    trees = {str(n): (folder("a", str(n + 1)), folder("b", str(n + 1))) for n in range(64)}

    assert len(list(islice(walk(reader(trees), "0"), 1000))) == 1000


def test_fold_reads_each_shared_tree_once():
    trees = {str(n): (folder("a", str(n + 1)), folder("b", str(n + 1))) for n in range(64)}
    trees["64"] = ()
    read: list[str] = []

    def read_tree(tree_id):
        read.append(tree_id)
        return trees[tree_id]

    assert fold(read_tree, "0", count, {}) == 2**65 - 2
    assert sorted(read) == sorted(trees)


def test_fold_remembers_between_snapshots():
    answers: dict[str, int] = {}
    fold(reader({"r": (folder("a", "x"),), "x": ()}), "r", count, answers)

    assert fold(reader({}), "r", count, answers) == 1


def test_fold_of_a_tree_that_holds_itself_ends():
    trees = {"r": (folder("a", "x"),), "x": (folder("b", "r"), folder("c", "x"))}
    seen: list[object] = []
    fold(reader(trees), "r", lambda _, nodes, __: seen.append(nodes), {})

    assert len([nodes for nodes in seen if isinstance(nodes, Damage)]) == 2


def test_fold_of_a_tree_without_end_ends():
    seen: list[object] = []

    def endless(tree_id):
        return (folder("a", tree_id + "x"),) if len(tree_id) < 2 * MAX_DEPTH else ()

    fold(endless, "", lambda _, nodes, __: seen.append(nodes), {})

    assert isinstance(seen[0], Damage)
    assert len(seen) == MAX_DEPTH + 1
