"""Where a sequence of nodes repeats itself: the traces of Python loops.

A loop over time is recorded step after step, so that its nodes repeat with a fixed period. What
repeats is found without asking what it means: nodes a period apart do the same to operands that
either lie at the same distance back in the sequence (what the previous step computed) or were
computed before the repetition began (parameters, data, the steps of another loop).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from probgen.compile.ir import Node

__all__ = ["Run", "find_runs"]

_LEAST_REPEATS = 6
_LEAST_SAVED = 40  # nodes
_MOST_PERIODS = 200  # tried
_CONTEXTS = (2, 8, 32, 128, 512)  # nodes that must agree for a distance to be tried
_NEAR = 64  # operands so near are part of what must agree


@dataclass(frozen=True)
class Run:
    """`repeats` times `period` nodes, from position `start` of a sequence."""

    start: int
    period: int
    repeats: int

    @property
    def stop(self) -> int:
        """The position after the last node."""
        return self.start + self.period * self.repeats

    @property
    def saved(self) -> int:
        """Nodes that need not be written out."""
        return (self.repeats - 1) * self.period

    @property
    def worthwhile(self) -> bool:
        """Whether the run is long enough to become a loop."""
        return self.repeats >= _LEAST_REPEATS and self.saved >= _LEAST_SAVED

    def within(self, start: int, stop: int) -> Run:
        """The part of the run between two positions."""
        first = max(self.start, start)
        return Run(first, self.period, max(min(self.stop, stop) - first, 0) // self.period)


def find_runs(nodes: Sequence[Node]) -> list[Run]:
    """Runs that do not overlap, in order; the ones that save most are chosen first."""
    sequence = _Sequence(nodes)
    found = [run for period in sequence.periods() for run in sequence.runs(period)]
    chosen: list[Run] = []
    gaps = [(0, len(nodes))]
    while found:
        best = max(found, key=lambda run: (run.saved, -run.period))
        if not best.worthwhile:
            break
        chosen.append(best)
        gaps = [part for gap in gaps for part in _without(gap, best)]
        pieces = [run.within(*gap) for run in found for gap in gaps if run.start < gap[1] > gap[0]]
        found = list({piece for piece in pieces if piece.worthwhile})
    return sorted(chosen, key=lambda run: run.start)


def _without(gap: tuple[int, int], run: Run) -> list[tuple[int, int]]:
    if run.stop <= gap[0] or run.start >= gap[1]:
        return [gap]
    parts = [(gap[0], run.start), (run.stop, gap[1])]
    return [part for part in parts if part[0] < part[1]]


class _Sequence:
    """A sequence of nodes: what each does, and where its operands lie."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.positions = {node: position for position, node in enumerate(nodes)}
        self.nodes = nodes
        self.codes = _numbered(_deed(node) for node in nodes)
        self.relations = _numbered(self._relation(i, node) for i, node in enumerate(nodes))

    def _relation(self, position: int, node: Node) -> Hashable:
        return tuple(
            (position - self.positions[view.node], view.strides, view.offset)
            if view.node in self.positions
            else None
            for view in node.views
        )

    def _looks(self, position: int, node: Node) -> Hashable:
        """What a node does, and to which of the nodes just before it."""
        distances = (position - self.positions.get(view.node, -_NEAR) for view in node.views)
        return int(self.codes[position]), tuple(d if d < _NEAR else 0 for d in distances)

    def periods(self) -> list[int]:
        """Distances between equal stretches of a few nodes, the most promising ones."""
        looks = _numbered(self._looks(i, node) for i, node in enumerate(self.nodes))
        distances, counts = np.unique(_distances(looks), return_counts=True)
        ranked = np.argsort(-distances * counts, kind="stable")[:_MOST_PERIODS]
        return sorted(int(d) for d in distances[ranked])

    def runs(self, period: int) -> Iterator[Run]:
        """Runs of one period."""
        same = self.codes[:-period] == self.codes[period:]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if Run(start, period, (stop - start) // period + 1).worthwhile:
                yield from self._agreeing(start, stop, period)

    def _agreeing(self, start: int, stop: int, period: int) -> Iterator[Run]:
        """The parts of a stretch in which operands agree as well."""
        here = self.relations[start:stop]
        differing = np.flatnonzero(here != self.relations[start + period : stop + period]) + start
        for position in differing.tolist():
            if position < start or self._agree(position, position + period, start):
                continue
            run = Run(start, period, (position + period - start) // period)
            start = position + 1
            if run.worthwhile:
                yield run
                start = run.stop
        run = Run(start, period, (stop + period - start) // period)
        if run.worthwhile:
            yield run

    def _agree(self, position: int, later: int, start: int) -> bool:
        for a, b in zip(self.nodes[position].views, self.nodes[later].views, strict=True):
            source, moved = self.positions.get(a.node, -1), self.positions.get(b.node, -1)
            carried = later - moved == position - source and source >= 0
            if carried and (a.strides, a.offset) == (b.strides, b.offset):
                continue
            if source >= start or moved >= start:
                return False
        return True


def _distances(looks: np.ndarray) -> np.ndarray:
    """How far back stretches of some lengths were seen before, where they were."""
    hashes, length, found = looks.astype(np.uint64), 1, [np.zeros(0, dtype=np.int64)]
    while 2 * length <= min(len(looks) - 1, max(_CONTEXTS)):
        weight = np.uint64(0x9E3779B97F4A7C15 + 2 * length)
        hashes = hashes[:-length] * weight + hashes[length:]
        length *= 2
        if length in _CONTEXTS:
            order = np.argsort(hashes, kind="stable")
            again = hashes[order][1:] == hashes[order][:-1]
            found.append(np.diff(order)[again])
    return np.concatenate(found)


def _deed(node: Node) -> Hashable:
    operands = tuple((view.shape, view.dtype) for view in node.views)
    return node.kind, node.shape, node.dtype, node.attributes, operands


def _numbered(items: Iterator[Hashable]) -> np.ndarray:
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(item, len(known)) for item in items), dtype=np.int64)
