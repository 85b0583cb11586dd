"""A factor graph as flat arrays with one message per edge, for message passing.

An edge is a (factor, place in its scope), numbered factor after factor. A message has one
number for each state of the edge's variable: the logarithm of what the factor tells it, scaled
so that the largest is 0. Flat message arrays with segments as in PGMax (Zhou et al. 2022).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from probgen.errors import EvidenceError
from probgen.inference.graphical.messages.merge import merge_covered
from probgen.inference.graphical.method import state_offsets
from probgen.targets.factors import Factors

__all__ = ["MessageGraph", "address", "aligned", "impossible", "message_graph", "segments"]


@dataclass(frozen=True, eq=False)
class MessageGraph:
    """Flat arrays of a factor graph; see `native/message_graph.hpp` for what they hold."""

    factors: Factors
    """With tables merged into those that cover them."""
    hosts: np.ndarray
    """Of each factor before merging, the one that holds it now."""
    cards: np.ndarray
    state_offsets: np.ndarray
    scope_offsets: np.ndarray
    scopes: np.ndarray
    message_offsets: np.ndarray
    table_offsets: np.ndarray
    log_tables: np.ndarray
    """Each table's largest entry is 0."""
    log_scale: float
    """What was taken out of the tables, the constant of the factors included (nats)."""

    @property
    def factor_count(self) -> int:
        """Number of factors."""
        return len(self.scope_offsets) - 1

    @cached_property
    def tables(self) -> np.ndarray:
        """The exponentials of `log_tables`."""
        return aligned(np.exp(self.log_tables))

    @cached_property
    def floors(self) -> np.ndarray:
        """Smallest finite entry of each log table (nats)."""
        finite = np.where(np.isfinite(self.log_tables), self.log_tables, 0.0)
        return segments(np.minimum, finite, self.table_offsets)

    @cached_property
    def edge_factors(self) -> np.ndarray:
        """Factor of each edge, int32."""
        counts = np.diff(self.scope_offsets)
        return np.repeat(np.arange(self.factor_count, dtype=np.int32), counts)

    @cached_property
    def variable_edges(self) -> np.ndarray:
        """Edges of variable after variable, int64; `edge_offsets` says where each begins."""
        return np.argsort(self.scopes, kind="stable").astype(np.int64)

    @cached_property
    def edge_offsets(self) -> np.ndarray:
        """Where the edges of each variable begin in `variable_edges`, int64 (n + 1,)."""
        return state_offsets(np.bincount(self.scopes, minlength=len(self.cards)))

    @cached_property
    def message_variables(self) -> np.ndarray:
        """Flat state of a variable that each number of each message speaks of, int64."""
        cards = self.cards[self.scopes]
        within = np.arange(self.message_offsets[-1]) - np.repeat(self.message_offsets[:-1], cards)
        return np.repeat(self.state_offsets[self.scopes], cards) + within

    @cached_property
    def breadth_first(self) -> tuple[np.ndarray, np.ndarray]:
        """Variables and factors in breadth-first order, every component from its first variable.

        Along this order and back, messages on a tree are exact after one pass each.
        """
        n, count = len(self.cards), self.factor_count
        rows, columns = self.scopes.astype(np.int64), self.edge_factors.astype(np.int64) + n
        shape = (n + count + 1,) * 2
        graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=shape).tocsr()
        _, component = connected_components(graph, directed=False)
        # One more node, joined to the first variable of every component, makes one search do.
        _, roots = np.unique(component[:n], return_index=True)
        rows = np.concatenate([rows, np.full(len(roots), n + count)])
        columns = np.concatenate([columns, roots])
        graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=shape).tocsr()
        order = breadth_first_order(graph, n + count, directed=False, return_predecessors=False)
        variables, factors = order[order < n], order[(order >= n) & (order < n + count)] - n
        return variables.astype(np.int64), factors.astype(np.int64)

    @cached_property
    def is_forest(self) -> bool:
        """Whether the factor graph has no cycle, so that belief propagation is exact."""
        n, count = len(self.cards), self.factor_count
        shape = (n + count,) * 2
        ends = (self.scopes.astype(np.int64), self.edge_factors.astype(np.int64) + n)
        graph = coo_array((np.ones(len(self.scopes), np.int8), ends), shape=shape)
        parts, _ = connected_components(graph, directed=False)
        return len(self.scopes) == n + count - parts

    @cached_property
    def sweeps_per_call(self) -> int:
        """Sweeps that take native code about 0.2 s, at most 50, so that Ctrl-C is heard.

        By the work and not by the clock: results must not depend on how long a call takes.
        """
        arities = np.diff(self.scope_offsets)
        work = int(np.diff(self.table_offsets) @ arities) + 10 * int(self.message_offsets[-1])
        return int(np.clip(1e8 / max(work, 1), 1, 50))

    def uniform_messages(self) -> np.ndarray:
        """Messages that say nothing."""
        return aligned(np.zeros(self.message_offsets[-1]))

    def random_messages(self, rng: np.random.Generator) -> np.ndarray:
        """Messages that favour a random state of each variable, the same from all its factors."""
        opinions = rng.normal(0.0, 3.0, int(self.state_offsets[-1]))
        messages = opinions[self.message_variables]
        tops = segments(np.maximum, messages, self.message_offsets)
        return aligned(messages - np.repeat(tops, np.diff(self.message_offsets)))

    @cached_property
    def _prefix_room(self) -> int:
        most = 1
        for table in {table.shape for table in self.factors.log_tables}:
            most = max(most, 1 + int(np.cumprod(table[:-1]).sum()))
        return most

    @cached_property
    def native(self) -> NativeGraph:
        """The same as a C structure; the arrays live as long as this object."""
        variables, order = self.breadth_first
        sizes = np.diff(self.table_offsets)
        return NativeGraph(
            len(self.cards), self.factor_count, int(self.cards.max(initial=1)),
            int(sizes.max(initial=1)), self._prefix_room,
            *(array.ctypes.data for array in (
                self.cards, self.state_offsets, self.scope_offsets, self.scopes,
                self.message_offsets, self.table_offsets, self.log_tables, self.tables,
                self.floors, self.edge_offsets, self.variable_edges, self.edge_factors,
                order, variables,
            )),
        )  # fmt: skip


class NativeGraph(ctypes.Structure):
    """The mirror of the C++ structure `MessageGraph`."""

    _fields_ = (
        *[
            (name, ctypes.c_int64)
            for name in ("variables", "factors", "most_states", "most_table", "most_prefix")
        ],
        *[
            (name, ctypes.c_void_p)
            for name in (
                "cards", "state_offsets", "scope_offsets", "scopes", "message_offsets",
                "table_offsets", "log_tables", "tables", "floors", "edge_offsets",
                "variable_edges", "edge_factors", "order", "variable_order",
            )
        ],
    )  # fmt: skip


def aligned(values: np.ndarray) -> np.ndarray:
    """A copy that begins at a cache line, as native code needs to be the same every time."""
    room = np.empty(values.size + 8)
    begin = -room.ctypes.data % 64 // 8
    copy = room[begin : begin + values.size]
    copy[:] = values
    return copy


def address(array: np.ndarray) -> ctypes.c_void_p:
    """Where an array's numbers are, for native code."""
    return ctypes.c_void_p(array.ctypes.data)


def message_graph(factors: Factors) -> MessageGraph:
    """The flat arrays of `factors`; raises `EvidenceError` for a table that is zero throughout."""
    factors, hosts = merge_covered(factors)
    flat = factors.flat
    tops = segments(np.maximum, flat.log_tables, flat.table_offsets)
    if (tops == -np.inf).any():
        dead = int(np.argmin(tops))
        raise impossible(factors, factors.scopes[dead][0])
    return MessageGraph(
        factors=factors,
        hosts=hosts,
        cards=flat.cards,
        state_offsets=state_offsets(flat.cards),
        scope_offsets=flat.scope_offsets,
        scopes=flat.scopes,
        message_offsets=state_offsets(flat.cards[flat.scopes]),
        table_offsets=flat.table_offsets,
        log_tables=aligned(flat.log_tables - np.repeat(tops, np.diff(flat.table_offsets))),
        log_scale=float(tops.sum()) + factors.log_constant,
    )


def segments(operation: np.ufunc, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """`operation` over each of the non-empty segments that begin at `offsets`."""
    if len(offsets) == 1:
        return np.zeros(0)
    result: np.ndarray = operation.reduceat(values, offsets[:-1])
    return result


def impossible(factors: Factors, variable: int) -> EvidenceError:
    """The error for a variable that is left without a possible state."""
    name = factors.name(variable)
    if factors.evidence:
        return EvidenceError(
            f"Impossible evidence: {factors.describe_evidence()} leaves no possible state of "
            f"{name!r}. Check the observed states, or the zeros in the tables around {name!r}."
        )
    return EvidenceError(
        f"Every joint state of {factors.network.title!r} has probability zero: its tables leave "
        f"no possible state of {name!r}. Check the zeros in the tables around it."
    )
