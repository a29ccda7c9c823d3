"""Trees that were read a moment ago: those of a small repository are parsed once, not thrice."""

from __future__ import annotations

import threading
from collections import OrderedDict

from verifier.core.tree import Node

KEPT_NODES = 40_000
"""Nodes of trees in memory at most, about half a KiB each: what is over is read again."""


class Kept:
    """The trees that were asked for last, by ID; threads may share it."""

    def __init__(self) -> None:
        self._trees: OrderedDict[str, tuple[Node, ...]] = OrderedDict()
        self._nodes = 0
        self._lock = threading.Lock()

    def get(self, tree_id: str) -> tuple[Node, ...] | None:
        """Return a tree; none where it is not kept."""
        with self._lock:
            nodes = self._trees.get(tree_id)
            if nodes is not None:
                self._trees.move_to_end(tree_id)
            return nodes

    def keep(self, tree_id: str, nodes: tuple[Node, ...]) -> None:
        """Keep a tree, and let go of those that were not asked for the longest."""
        with self._lock:
            if tree_id in self._trees or len(nodes) > KEPT_NODES:
                return
            self._trees[tree_id] = nodes
            self._nodes += len(nodes)
            while self._nodes > KEPT_NODES:
                _, oldest = self._trees.popitem(last=False)
                self._nodes -= len(oldest)
