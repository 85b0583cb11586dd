"""From the structure of a network to a tree of cliques: what elimination will cost.

An order of elimination makes the graph chordal; its maximal cliques form a junction tree
(Lauritzen & Spiegelhalter 1988), over which sums and maxima travel. Plans depend on the
structure alone, not on the tables, and are kept for the next time the same structure comes.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probgen.errors import BuildError
from probgen.inference.graphical.elimination.cliques import pack_plan
from probgen.inference.graphical.elimination.greedy import eliminate_greedily
from probgen.inference.graphical.native.library import open_library
from probgen.targets.factors import Factors

__all__ = ["EliminationPlan", "plan_elimination"]

KEPT_PLANS = 64
HEADER = 8


@dataclass(frozen=True, eq=False)
class EliminationPlan:
    """A rooted forest of cliques over the free variables; children stand before parents.

    Attributes
    ----------
    cards: number of states of each variable, int64 (n,).
    packed: all arrays below in one, int64, as native code takes them.
    log2_entries, log2_largest: of all clique tables together and of the largest one.

    """

    cards: np.ndarray
    packed: np.ndarray
    log2_entries: float
    log2_largest: float

    def _part(self, index: int) -> np.ndarray:
        n, factors, cliques, members = (int(x) for x in self.packed[:4])
        sizes = [n, cliques + 1, members, cliques, cliques, cliques + 1, cliques + 1, factors]
        start = HEADER + sum(sizes[:index])
        return self.packed[start : start + sizes[index]]

    @cached_property
    def order(self) -> np.ndarray:
        """Variables in the order in which they are eliminated."""
        return self._part(0)

    @cached_property
    def cliques(self) -> list[np.ndarray]:
        """Variables of each clique, in the order of the axes of its table.

        Last eliminated first: the separator to the parent leads, the residual trails.
        """
        offsets, members = self._part(1), self._part(2)
        return np.split(members, offsets[1:-1]) if len(offsets) > 1 else []

    @cached_property
    def separators(self) -> np.ndarray:
        """How many leading variables of each clique it shares with its parent."""
        return self._part(3)

    @cached_property
    def parents(self) -> np.ndarray:
        """Parent of each clique, -1 for roots."""
        return self._part(4)

    @cached_property
    def table_offsets(self) -> np.ndarray:
        """Where the table of each clique begins in one array of all; zeros if beyond int64."""
        return self._part(5)

    @cached_property
    def separator_offsets(self) -> np.ndarray:
        """The same for the tables over separators."""
        return self._part(6)

    @cached_property
    def homes(self) -> np.ndarray:
        """The clique that each factor is multiplied into."""
        return self._part(7)

    @property
    def width(self) -> int:
        """Variables in the largest clique less one: an upper bound on the treewidth."""
        return int(self.packed[6]) - 1

    @property
    def entries(self) -> float:
        """Entries of all clique tables together."""
        return 2.0**self.log2_entries if self.packed[4] < 0 else float(self.packed[4])

    @property
    def bytes(self) -> float:
        """Memory that calibration takes: tables over cliques, and over separators twice."""
        if self.packed[4] < 0:
            return 8 * self.entries
        return 8.0 * (float(self.packed[4]) + 2.0 * float(self.packed[5]))


def plan_elimination(factors: Factors, stages: np.ndarray | None = None) -> EliminationPlan:
    """Find an order of elimination with little total table size, and its clique tree.

    Greedy min-fill, weighted min-fill and min-weight with random ties compete (Kjaerulff 1990;
    Fishelson & Geiger 2004), for as long as ordering is cheap beside the sums themselves; the
    outcome depends on the structure alone. `stages` (n,), small integers, makes all variables of
    a lower stage go before those of a higher one.
    """
    flat = factors.flat
    parts = (flat.cards, flat.scope_offsets, flat.scopes)
    order_of_stages = None if stages is None else np.ascontiguousarray(stages, dtype=np.int32)
    key = tuple(part.tobytes() for part in parts)
    key += (b"" if order_of_stages is None else order_of_stages.tobytes(),)
    return _plans.get(key, lambda: _make_plan(factors, order_of_stages))


class _Kept:
    """The latest plans by structure; any thread may ask."""

    def __init__(self, size: int):
        self._size = size
        self._plans: OrderedDict[tuple[bytes, ...], EliminationPlan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[bytes, ...], make: Callable[[], EliminationPlan]) -> EliminationPlan:
        """The plan of `key`, made now if it is not there."""
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
                return plan
        plan = make()
        with self._lock:
            self._plans[key] = plan
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)
        return plan

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._plans.clear()


_plans = _Kept(KEPT_PLANS)


def _make_plan(factors: Factors, stages: np.ndarray | None) -> EliminationPlan:
    try:
        library = open_library("elimination_order.cpp")
    except BuildError:
        return _plan_in_python(factors, stages)
    return _plan_natively(library, factors, stages)


def _plan_in_python(factors: Factors, stages: np.ndarray | None) -> EliminationPlan:
    cards = factors.cards.astype(np.int64)
    neighbours = [set(others) for others in factors.neighbours]
    order, buckets = eliminate_greedily(cards.tolist(), neighbours, stages)
    return EliminationPlan(cards, *pack_plan(cards, factors.scopes, order, buckets))


def _plan_natively(
    library: ctypes.CDLL, factors: Factors, stages: np.ndarray | None
) -> EliminationPlan:
    flat = factors.flat
    handle, bits = ctypes.c_void_p(), (ctypes.c_double * 2)()
    library.elimination_plan.restype = ctypes.c_int64
    size = library.elimination_plan(
        ctypes.c_int64(len(flat.cards)),
        ctypes.c_void_p(flat.cards.ctypes.data),
        ctypes.c_int64(len(factors.scopes)),
        ctypes.c_void_p(flat.scope_offsets.ctypes.data),
        ctypes.c_void_p(flat.scopes.ctypes.data),
        ctypes.c_void_p(None if stages is None else stages.ctypes.data),
        ctypes.byref(handle),
        bits,
    )
    packed = np.empty(size, dtype=np.int64)
    library.elimination_fetch(handle, ctypes.c_void_p(packed.ctypes.data))
    return EliminationPlan(flat.cards.astype(np.int64), packed, bits[0], bits[1])
