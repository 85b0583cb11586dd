"""The walk over graphs: compiled where there is a compiler, else the same walk in Python.

Both use the same random numbers in the same order, so a seed gives the same graphs.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from probgen.compile.assemble import assemble
from probgen.compile.build import build
from probgen.learn.networks.parent_sets import ParentSets

__all__ = ["MOVES", "NativeWalk", "PythonWalk", "Steps", "Walker", "library", "source"]

MOVES = ("edge", "family", "reversal")
_MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class Steps:
    """Graphs, uint64 (draw, node); log_weights (nats) and share of accepted steps, (draw,)."""

    graphs: np.ndarray
    log_weights: np.ndarray
    accepted: np.ndarray


class Walker(Protocol):
    """One chain: it goes on from where it stands at each call of `run`."""

    @property
    def tried(self) -> list[int]:
        """How often each of `MOVES` was tried."""

    @property
    def taken(self) -> list[int]:
        """How often each of `MOVES` changed the graph."""

    def run(self, draws: int, thin: int) -> Steps:
        """`draws` graphs, `thin` steps apart."""

    def stop(self) -> None:
        """End a `run` in another thread early; nothing of it is of use then."""


def source() -> str:
    """The C++ text of the walk."""
    return assemble(Path(__file__).parent, "dag_walk.cpp")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """The compiled walk; raises `BuildError` without a compiler."""
    return build(source(), "dag_walk")


class _Walk(ctypes.Structure):
    _fields_ = (
        ("nodes", ctypes.c_int64),
        ("sets", ctypes.c_int64),
        ("masks", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("key", ctypes.c_uint64),
        ("counter", ctypes.c_uint64),
        ("family", ctypes.c_double),
        ("reversal", ctypes.c_double),
        ("tried", ctypes.c_int64 * 3),
        ("taken", ctypes.c_int64 * 3),
    )


class NativeWalk:
    """The compiled walk of one chain."""

    def __init__(
        self, sets: ParentSets, start: np.ndarray, key: int, family: float, reversal: float,
        compiled: ctypes.CDLL | None = None,
    ) -> None:  # fmt: skip
        self._function = (compiled or library()).probgen_dag_walk
        self._function.restype = ctypes.c_int64
        self._sets = sets  # the native structure points into its arrays
        self._state = np.array(start, dtype=np.uint64)
        self._walk = _Walk(
            sets.nodes, sets.masks.shape[1], sets.masks.ctypes.data, sets.weights.ctypes.data,
            key, 0, family, reversal,
        )  # fmt: skip
        self._stop = ctypes.c_int32(0)

    @property
    def tried(self) -> list[int]:
        """How often each of `MOVES` was tried."""
        return list(self._walk.tried)

    @property
    def taken(self) -> list[int]:
        """How often each of `MOVES` changed the graph."""
        return list(self._walk.taken)

    def run(self, draws: int, thin: int) -> Steps:
        """`draws` graphs, `thin` steps apart."""
        steps = _empty(draws, self._sets.nodes)
        self._function(
            ctypes.byref(self._walk), ctypes.c_void_p(self._state.ctypes.data),
            ctypes.c_int64(draws), ctypes.c_int64(thin),
            ctypes.c_void_p(steps.graphs.ctypes.data),
            ctypes.c_void_p(steps.log_weights.ctypes.data),
            ctypes.c_void_p(steps.accepted.ctypes.data), ctypes.byref(self._stop),
        )  # fmt: skip
        return steps

    def stop(self) -> None:
        """End a `run` in another thread early; nothing of it is of use then."""
        self._stop.value = 1


def _empty(draws: int, nodes: int) -> Steps:
    graphs = np.zeros((draws, nodes), dtype=np.uint64)
    return Steps(graphs, np.zeros(draws), np.zeros(draws))


@dataclass
class PythonWalk:
    """The walk of one chain without a compiler, about forty times slower."""

    sets: ParentSets
    start: np.ndarray
    key: int
    family: float
    reversal: float
    tried: list[int] = field(default_factory=lambda: [0, 0, 0])
    taken: list[int] = field(default_factory=lambda: [0, 0, 0])
    _counter: int = 0
    _stopped: bool = False

    def __post_init__(self) -> None:
        """Index the tables."""
        self._parents = [int(mask) for mask in self.start]
        pairs = zip(self.sets.masks.tolist(), self.sets.weights.tolist(), strict=True)
        self._weights = [dict(zip(masks, weights, strict=True)) for masks, weights in pairs]

    def run(self, draws: int, thin: int) -> Steps:
        """`draws` graphs, `thin` steps apart."""
        steps = _empty(draws, self.sets.nodes)
        for d in range(draws):
            before = sum(self.taken)
            for _ in range(thin):
                if self._stopped:
                    return steps
                self._step()
            steps.graphs[d] = self._parents
            weights = zip(self._weights, self._parents, strict=True)
            steps.log_weights[d] = sum(table[mask] for table, mask in weights)
            steps.accepted[d] = (sum(self.taken) - before) / thin
        return steps

    def stop(self) -> None:
        """End a `run` in another thread early; nothing of it is of use then."""
        self._stopped = True

    def _step(self) -> None:
        u = self._uniform()
        move = 1 if u < self.family else 2 if u < self.family + self.reversal else 0
        moved = (self._move_edge, self._move_family, self._move_reversal)[move]()
        self.tried[move] += 1
        self.taken[move] += moved

    def _uniform(self) -> float:
        self._counter += 1
        z = (self.key + self._counter * _GOLDEN) & _MASK64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
        z ^= z >> 31
        return (z >> 11) * 2.0**-53

    def _weight(self, node: int, mask: int) -> float:
        return self._weights[node].get(mask, -math.inf)

    def _descendants(self, node: int) -> int:
        found, grown = 1 << node, True
        while grown:
            grown = False
            for v, mask in enumerate(self._parents):
                if not found >> v & 1 and mask & found:
                    found |= 1 << v
                    grown = True
        return found

    def _sum_sets(self, node: int, needed: int, barred: int, draw: bool) -> tuple[float, int]:
        """Log sum over the sets that hold `needed` and avoid `barred`, and one drawn set."""
        masks = self.sets.masks[node]
        fits = ((masks & np.uint64(needed)) == needed) & ((masks & np.uint64(barred)) == 0)
        if not fits.any():
            return -math.inf, 0
        weights = self.sets.weights[node][fits]
        top = float(weights.max())
        sums = np.cumsum(np.exp(weights - top))
        drawn = 0
        if draw:
            place = np.searchsorted(sums, self._uniform() * sums[-1], side="right")
            drawn = int(masks[fits][min(int(place), len(sums) - 1)])
        return top + math.log(sums[-1]), drawn

    def _move_edge(self) -> bool:
        parents, nodes = self._parents, self.sets.nodes
        a, b = int(self._uniform() * nodes), int(self._uniform() * (nodes - 1))
        b += b >= a
        a, b = min(a, b), max(a, b)
        forward, backward = parents[b] >> a & 1, parents[a] >> b & 1
        coin = self._uniform() < 0.5
        to_forward = not forward and (coin if backward else not coin)
        to_backward = not backward and coin
        old_a, old_b = parents[a], parents[b]
        new_a = old_a & ~(1 << b) | to_backward << b
        new_b = old_b & ~(1 << a) | to_forward << a
        gain = self._weight(a, new_a) + self._weight(b, new_b)
        gain -= self._weight(a, old_a) + self._weight(b, old_b)
        if not _log(self._uniform()) < gain:
            return False
        parents[a], parents[b] = old_a & ~(1 << b), old_b & ~(1 << a)
        cyclic = (to_forward and self._descendants(b) >> a & 1) or (
            to_backward and self._descendants(a) >> b & 1
        )
        parents[a], parents[b] = (old_a, old_b) if cyclic else (new_a, new_b)
        return not cyclic

    def _move_family(self) -> bool:
        node = int(self._uniform() * self.sets.nodes)
        old = self._parents[node]
        _, self._parents[node] = self._sum_sets(node, 0, self._descendants(node), True)
        return self._parents[node] != old

    def _move_reversal(self) -> bool:
        parents = self._parents
        edges = [
            (u, v) for v, mask in enumerate(parents) for u in range(len(parents)) if mask >> u & 1
        ]
        if not edges:
            return False
        tail, head = edges[int(self._uniform() * len(edges))]
        old_tail, old_head = parents[tail], parents[head]
        parents[tail] = parents[head] = 0
        below_tail, below_head = self._descendants(tail), self._descendants(head)
        to_tail, new_tail = self._sum_sets(tail, 1 << head, below_tail, True)
        from_head, _ = self._sum_sets(head, 1 << tail, below_head, False)
        parents[tail] = new_tail
        to_head, new_head = -math.inf, 0
        if to_tail > -math.inf:
            to_head, new_head = self._sum_sets(head, 0, self._descendants(head), True)
        parents[tail], parents[head] = 0, old_head
        from_tail, _ = self._sum_sets(tail, 0, self._descendants(tail), False)
        parents[tail], parents[head] = new_tail, new_head
        after = sum(mask.bit_count() for mask in parents)
        log_u = _log(self._uniform())
        if to_tail > -math.inf:
            ratio = math.log(len(edges)) - math.log(after)
            if log_u < ratio + to_tail + to_head - from_head - from_tail:
                return True
        parents[tail], parents[head] = old_tail, old_head
        return False


def _log(u: float) -> float:
    return math.log(u) if u > 0 else -math.inf
