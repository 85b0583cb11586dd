"""Plates as a tree of clusters, so that a layout can give each a box of its own.

Plates that nest become nested clusters. Two plates that cross, as persons and items do around
their answers, become three clusters side by side (only the one, both, only the other) that are
kept in this order, and each box covers two of them. A plate that crosses more than that gets no
box; its name is then written into its sites.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

__all__ = ["Box", "Cluster", "clusters_of"]


@dataclass(eq=False)
class Cluster:
    """A part of the drawing that keeps its nodes together; `ordered` children keep their order."""

    nodes: set[Hashable] = field(default_factory=set)
    children: list[Cluster] = field(default_factory=list)
    ordered: bool = False

    def members(self) -> set[Hashable]:
        """All nodes inside, those of children too."""
        return self.nodes.union(*(child.members() for child in self.children))

    def find(self, node: Hashable) -> list[Cluster]:
        """The clusters around a node, outermost first, this one included; [] if not inside."""
        if node in self.nodes:
            return [self]
        for child in self.children:
            path = child.find(node)
            if path:
                return [self, *path]
        return []


@dataclass(eq=False)
class Box:
    """A plate that is drawn: its name, the clusters it covers, its level (1 is innermost)."""

    plate: str
    covers: list[Cluster]
    level: int = 1


def clusters_of(
    plates: Mapping[Hashable, list[str]],
) -> tuple[Cluster, list[Box], dict[Hashable, list[str]]]:
    """The cluster tree over all nodes, the boxes, and the plates of each node without a box.

    `plates` maps every node to the names of its plates.
    """
    members: dict[str, set[Hashable]] = {}
    for node, names in plates.items():
        for name in names:
            members.setdefault(name, set()).add(node)
    names = sorted(members, key=lambda name: -len(members[name]))
    kept: list[str] = []
    crossing: list[tuple[str, str]] = []
    for name in names:
        crossed = [other for other in kept if _cross(members[name], members[other])]
        if not crossed:
            kept.append(name)
        elif len(crossed) == 1 and not any(crossed[0] in pair for pair in crossing):
            union = members[name] | members[crossed[0]]
            if not any(_cross(union, members[o]) for o in kept if o != crossed[0]):
                kept.append(name)
                crossing.append((crossed[0], name))
    root = Cluster(set(plates))
    boxes: list[Box] = []
    partner = dict([*crossing, *((b, a) for a, b in crossing)])
    done: set[str] = set()
    for name in kept:
        if name in done:
            continue
        if name in partner:
            boxes += _side_by_side(root, members, name, partner[name])
            done |= {name, partner[name]}
        else:
            boxes.append(Box(name, [_nest(root, members[name])]))
    for box in boxes:
        box.level = _level(box, boxes)
    left = {node: [p for p in given if p not in kept] for node, given in plates.items()}
    return root, boxes, left


def _cross(a: set[Hashable], b: set[Hashable]) -> bool:
    return bool(a & b) and not a <= b and not b <= a


def _nest(root: Cluster, members: set[Hashable]) -> Cluster:
    """A new cluster for `members` in the innermost cluster that holds them all."""
    holder = _holder(root, members)
    inside = [child for child in holder.children if child.members() <= members]
    cluster = Cluster(holder.nodes & members, inside)
    holder.nodes -= members
    holder.children = [child for child in holder.children if child not in inside] + [cluster]
    return cluster


def _holder(root: Cluster, members: set[Hashable]) -> Cluster:
    for child in root.children:
        if members <= child.members():
            return _holder(child, members)
    return root


def _side_by_side(
    root: Cluster, members: Mapping[str, set[Hashable]], first: str, second: str
) -> list[Box]:
    a, b = members[first], members[second]
    whole = _nest(root, a | b)
    parts = [_nest(whole, part) for part in (a - b, a & b, b - a)]
    whole.children, whole.ordered = parts, True
    return [Box(first, parts[:2]), Box(second, parts[1:])]


def _level(box: Box, boxes: list[Box]) -> int:
    """One more than the boxes inside; of two that cross, the later is the outer one."""
    inside = set().union(*(cover.members() for cover in box.covers))
    level = 1
    for other in boxes[: boxes.index(box)] if len(box.covers) > 1 else []:
        if len(other.covers) > 1 and set(map(id, other.covers)) & set(map(id, box.covers)):
            level = max(level, other.level + 1)
    for other in boxes[boxes.index(box) + 1 :]:
        held = set().union(*(cover.members() for cover in other.covers))
        if held <= inside and other.covers != box.covers:
            level = max(level, 1 + _level(other, boxes))
    return level
