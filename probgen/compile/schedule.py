"""Which computations share a loop.

Nodes needed by the outputs are placed, in order, into the earliest loop nest of their domain
that runs after everything they read from memory. An element-wise value read in the loop that
computes it stays in a register; only values read elsewhere are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probgen.compile.ir import Node, View
from probgen.compile.segments import Packing, plan_packing

__all__ = ["Group", "Schedule", "needed", "schedule"]

_LOOPS = ("pointwise", "gather", "reduce", "scatter")
_GIVEN = ("input", "constant", "moving", "carried")  # not computed in the loops scheduled here


@dataclass
class Group:
    """Nodes computed in one loop nest over `domain`, or one other node on its own."""

    domain: tuple[int, ...] | None
    nodes: list[Node] = field(default_factory=list)
    packing: Packing | None = None


@dataclass
class Schedule:
    """Groups in order, and the nodes that need a buffer."""

    groups: list[Group]
    stored: set[Node]


def schedule(outputs: Sequence[View]) -> Schedule:
    """Order all computations that `outputs` need."""
    groups: list[Group] = []
    place: dict[Node, int] = {}
    stored: set[Node] = {view.node for view in outputs}
    for node in needed(outputs):
        if node.kind in _GIVEN:
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
    made = {node for node in stored if node in place}
    return Schedule(_split_scatters(groups, made), made)


def _split_scatters(groups: list[Group], stored: set[Node]) -> list[Group]:
    """Sums into irregular places in a loop of their own, so that the rest is vectorised.

    Where groups of rows can be summed side by side (`segments.plan`), all stays in one loop.
    """
    result = []
    for group in groups:
        scatters = [node for node in group.nodes if node.kind == "scatter"]
        others = [node for node in group.nodes if node.kind != "scatter"]
        if scatters and others:
            group.packing = plan_packing(group.domain, group.nodes, stored)
        if not scatters or not others or group.packing:
            result.append(group)
            continue
        stored.update(view.node for s in scatters for view in s.views if view.node in others)
        result += [Group(group.domain, others), Group(group.domain, scatters)]
    return result


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


def needed(outputs: Sequence[View]) -> list[Node]:
    """All nodes that `outputs` depend on, each after what it reads."""
    seen: set[Node] = set()
    pending = [view.node for view in outputs]
    while pending:
        node = pending.pop()
        if node not in seen:
            seen.add(node)
            pending.extend(view.node for view in node.views)
    return sorted(seen, key=lambda node: node.serial)
