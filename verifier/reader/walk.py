"""Two ways over trees: every path in order, and every tree once from the bottom up.

Both take a function that reads a tree, and both end on trees that no honest writer makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TypeVar

from verifier.core.tree import Node
from verifier.reader.damage import Damage

MAX_DEPTH = 10_000
"""Directories in directories. Linux takes no path of more than 4,096 bytes at once."""

MAX_NODES = 1 << 28
"""Nodes of one walk. Trees that share subtrees can stand for more than any disk holds."""

Answer = TypeVar("Answer")
Nodes = tuple[Node, ...]
ReadTree = Callable[[str], Nodes | Damage]
Combine = Callable[[str, Nodes | Damage, Mapping[str, Answer]], Answer]
"""From a tree's ID, its nodes (or what is wrong with it) and its subtrees' answers to its own."""


def walk(read_tree: ReadTree, root: str) -> Iterator[tuple[str, Node | Damage]]:
    """Yield every path below a tree with its node, a directory before its content.

    A directory whose tree is damaged is followed by its path again, with the damage.
    """
    stack: list[tuple[str, Iterator[Node]]] = []
    path, tree_id, count = "", root, 0
    while True:
        if tree_id:
            within = len(stack) < MAX_DEPTH and count < MAX_NODES
            nodes = read_tree(tree_id) if within else _endless(tree_id)
            if isinstance(nodes, Damage):
                yield path or "/", nodes
            else:
                stack.append((path, iter(nodes)))
        node = None
        while stack and (node := next(stack[-1][1], None)) is None:
            stack.pop()
        if node is None:
            return
        path, tree_id, count = f"{stack[-1][0]}/{node.name}", node.subtree, count + 1
        yield path, node


def fold(
    read_tree: ReadTree, root: str, combine: Combine[Answer], answers: MutableMapping[str, Answer]
) -> Answer:
    """Answer for the tree `root`, and remember in `answers` what was found for each tree below.

    A tree that contains itself cannot exist where blob IDs are hashes; were it there, it is
    answered for as damaged.
    """
    above: dict[str, Nodes | Damage] = {}
    due = [(root, False)]
    while due:
        tree_id, all_below_done = due.pop()
        if all_below_done:
            answers[tree_id] = combine(tree_id, above.pop(tree_id), answers)
        elif tree_id in above:
            answers[tree_id] = combine(tree_id, _endless(tree_id), answers)
        elif tree_id not in answers:
            nodes = read_tree(tree_id) if len(above) < MAX_DEPTH else _endless(tree_id)
            above[tree_id] = nodes
            due.append((tree_id, True))
            if not isinstance(nodes, Damage):
                due.extend((node.subtree, False) for node in nodes if node.subtree)
    return answers[root]


def _endless(tree_id: str) -> Damage:
    return Damage("data", 0, tree_id, f"holds itself, is nested over {MAX_DEPTH} deep, or is vast")
