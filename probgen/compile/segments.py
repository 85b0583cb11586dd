"""Rows grouped by a constant index, laid out so that several groups are summed side by side.

A loop that adds into `out[group[n]]` cannot be vectorised as it stands. When `group` is data,
the rows are sorted by group at compile time and groups of similar size are packed into lanes
(the SELL-C-sigma layout of sparse matrices: Kreutzer et al., 2014): lane j of a pack walks
through the rows of its own group; padding repeats a row of the lane with weight zero.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from probgen.compile.ir import Node, View

__all__ = ["LANES", "Packing", "plan_packing"]

LANES = 8
_LEAST_ROWS = 64
_MOST_PADDING = 1.6


@dataclass(frozen=True, eq=False)
class Packing:
    """Where every row goes.

    `order` lists source rows in packed order (padding repeats a row), `starts` and `rows` where
    each pack begins and how many rows it has, `lengths` and `groups` the true length and the
    group of every lane.
    """

    index: Node
    order: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    lengths: np.ndarray
    groups: np.ndarray

    @property
    def key(self) -> int:
        """Identifies the packing."""
        return self.index.serial

    def hoists(self, node: Node) -> bool:
        """Whether a node reads a value of the group: the same for all rows of a lane."""
        return node.kind == "gather" and len(node.views) == 2 and node.views[1].node is self.index


def plan_packing(
    domain: tuple[int, ...] | None, nodes: Sequence[Node], stored: Set[Node]
) -> Packing | None:
    """How to pack the rows of a loop, or None where the loop does not allow or repay it."""
    if domain is None or len(domain) != 1 or domain[0] < _LEAST_ROWS:
        return None
    scatters = [node for node in nodes if node.kind == "scatter"]
    index = scatters[0].views[1]
    inside = set(nodes)
    fits = all(_scatters_by(node, index, inside) for node in scatters) and all(
        _permutable(node, stored, inside) for node in nodes if node.kind != "scatter"
    )
    if not fits or index.node.kind != "constant":
        return None
    packing = _pack(index.node)
    return packing if len(packing.order) <= _MOST_PADDING * domain[0] else None


def _scatters_by(node: Node, index: View, inside: Set[Node]) -> bool:
    loop_strides, index_strides = node.attributes
    return (
        len(node.views) == 2
        and node.views[1] == index
        and index.whole
        and loop_strides == (0,)
        and index_strides == (1,)
        and _readable(node.views[0], inside)
    )


def _permutable(node: Node, stored: Set[Node], inside: Set[Node]) -> bool:
    """Whether the loop may run over a node's rows in any order, padding included."""
    if node.kind == "reduce":
        return node.attributes == ("sum", (0,)) and _readable(node.views[0], inside)
    if node in stored:
        return False
    if node.kind == "gather":
        return node.views[0].strides == (0,) and all(
            _readable(view, inside) for view in node.views[1:]
        )
    return all(_readable(view, inside) for view in node.views)


def _readable(view: View, inside: Set[Node]) -> bool:
    """Data, a uniform value, or something computed in the same loop."""
    if view.strides == (0,) or view.literal is not None:
        return True
    return view.whole and (view.node.kind == "constant" or view.node in inside)


def _pack(index: Node) -> Packing:
    values = index.attributes[0]
    groups, counts = np.unique(values, return_counts=True)
    by_size = np.argsort(-counts, kind="stable")
    by_group = np.argsort(values, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)])
    packs = -(-len(groups) // LANES)
    lengths = np.zeros((packs, LANES), dtype=int)
    ids = np.zeros((packs, LANES), dtype=int)
    order = []
    for number in range(packs):
        pack = by_size[number * LANES : (number + 1) * LANES]
        height = counts[pack[0]]
        lanes = [by_group[first[g] : first[g] + counts[g]] for g in pack]
        lanes += [lanes[0][:1]] * (LANES - len(pack))
        columns = [np.pad(lane, (0, height - len(lane)), mode="edge") for lane in lanes]
        order.append(np.stack(columns, axis=1).reshape(-1))
        lengths[number, : len(pack)] = counts[pack]
        ids[number] = groups[pack[0]]
        ids[number, : len(pack)] = groups[pack]
    sizes = np.array([len(rows) for rows in order])
    return Packing(
        index,
        np.concatenate(order),
        (np.cumsum(sizes) - sizes).astype(np.int32),
        (sizes // LANES).astype(np.int32),
        lengths.reshape(-1).astype(float),
        ids.reshape(-1).astype(np.int32),
    )
