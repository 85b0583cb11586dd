"""Which computations share a loop.

Nodes needed by the outputs are placed, in order, into the earliest loop nest of their domain
that runs after everything they read from memory. An element-wise value read in the loop that
computes it stays in a register; only values read elsewhere are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probgen.compile.ir import Node, View

__all__ = ["Group", "Schedule", "schedule"]

_LOOPS = ("pointwise", "gather", "reduce", "scatter")


@dataclass
class Group:
    """Nodes computed in one loop nest over `domain`, or one other node on its own."""

    domain: tuple[int, ...] | None
    nodes: list[Node] = field(default_factory=list)


@dataclass
class Schedule:
    """Groups in order, the group of each node, and the nodes that need a buffer."""

    groups: list[Group]
    place: dict[Node, int]
    stored: set[Node]


def schedule(outputs: Sequence[View]) -> Schedule:
    """Order all computations that `outputs` need."""
    groups: list[Group] = []
    place: dict[Node, int] = {}
    stored: set[Node] = {view.node for view in outputs}
    for node in _needed(outputs):
        if node.kind in ("input", "constant"):
            continue
        earliest = 0
        for view in node.views:
            source = view.node
            if source not in place:
                continue
            together = _can_share(node, view)
            earliest = max(earliest, place[source] + (0 if together else 1))
        place[node] = _join(groups, node, earliest)
        for view in node.views:
            if not (_can_share(node, view) and place.get(view.node) == place[node]):
                stored.add(view.node)
    return Schedule(groups, place, {n for n in stored if n in place})


def _can_share(node: Node, view: View) -> bool:
    """Whether `node`, in the loop that computes view.node, finds its element in a register."""
    if node.kind not in _LOOPS or not view.node.fusible or not view.whole:
        return False
    if node.kind == "gather" and view is node.views[0]:
        return False
    return view.node.domain == node.domain


def _join(groups: list[Group], node: Node, earliest: int) -> int:
    if node.kind in _LOOPS:
        for index in range(earliest, len(groups)):
            if groups[index].domain == node.domain:
                groups[index].nodes.append(node)
                return index
    groups.append(Group(node.domain if node.kind in _LOOPS else None, [node]))
    return len(groups) - 1


def _needed(outputs: Sequence[View]) -> list[Node]:
    seen: set[Node] = set()
    pending = [view.node for view in outputs]
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending.extend(view.node for view in node.views)
    return sorted(seen, key=lambda node: node.serial)
