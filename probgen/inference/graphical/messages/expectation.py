"""Coordinate ascent of a product of distributions, in native code or numpy.

A table is split into its finite entries (0 instead of -inf) and the indicator of its zeros, so
that the mass on impossible states is counted exactly, apart from the logarithms.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from probgen.inference.graphical.messages.graph import MessageGraph, address, aligned, segments
from probgen.inference.graphical.native.library import open_library

__all__ = ["Bound", "ExpectationEngine", "NativeExpectation", "NumpyExpectation", "Splitting"]


@dataclass(frozen=True, eq=False)
class Splitting:
    """Tables of a graph: finite logarithms, indicators of zeros, which factors have any."""

    graph: MessageGraph
    finite: np.ndarray
    forbidden: np.ndarray
    has_zeros: np.ndarray

    @classmethod
    def of(cls, graph: MessageGraph) -> Splitting:
        """Split the tables of `graph`."""
        zero = graph.log_tables == -np.inf
        has_zeros = segments(np.maximum, zero.astype(np.uint8), graph.table_offsets)
        finite = aligned(np.where(zero, 0.0, graph.log_tables))
        return cls(graph, finite, aligned(zero.astype(np.float64)), has_zeros.astype(np.uint8))


@dataclass(frozen=True)
class Bound:
    """Parts of the evidence lower bound (nats), and the expected number of forbidding tables."""

    energy: float
    forbidden: float
    entropy: float

    @property
    def value(self) -> float:
        """The bound without the constant; -inf when any mass is on impossible states."""
        return -np.inf if self.forbidden > 0 else self.energy + self.entropy


class ExpectationEngine(Protocol):
    """What does the sweeps: native code or numpy."""

    @property
    def engine(self) -> str:
        """Its name in results."""

    def ascend(
        self,
        tables: Splitting,
        beliefs: np.ndarray,
        *,
        power: float,
        penalty: float,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """Sweep over the variables in place; the largest change of a probability per sweep.

        Logarithms are multiplied by `power`; a forbidden state costs `penalty` nats, and with
        an infinite one a variable keeps only the states that meet the least forbidden mass.
        """

    def bound(self, tables: Splitting, beliefs: np.ndarray) -> Bound:
        """The evidence lower bound of the product of `beliefs`."""


class _NativeTables(ctypes.Structure):
    """The mirror of the C++ structure `MeanFieldTables`."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("finite", "forbidden", "has_zeros"))


class NativeExpectation:
    """`native/mean_field.cpp` through ctypes; raises `BuildError` without a compiler."""

    engine = "native"

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        self._library = library or open_library("mean_field.cpp")
        self._library.probgen_mean_field.restype = ctypes.c_int64
        self._library.probgen_mean_field_bound.restype = None

    def ascend(
        self,
        tables: Splitting,
        beliefs: np.ndarray,
        *,
        power: float,
        penalty: float,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """See `ExpectationEngine`."""
        changes = np.empty(sweeps)
        done = self._library.probgen_mean_field(
            ctypes.byref(tables.graph.native), ctypes.byref(_native(tables)), address(beliefs),
            ctypes.c_double(power), ctypes.c_double(penalty), ctypes.c_int64(sweeps),
            ctypes.c_double(tolerance), address(changes),
        )  # fmt: skip
        return changes[:done]

    def bound(self, tables: Splitting, beliefs: np.ndarray) -> Bound:
        """See `ExpectationEngine`."""
        parts = np.empty(3)
        self._library.probgen_mean_field_bound(
            ctypes.byref(tables.graph.native), ctypes.byref(_native(tables)), address(beliefs),
            address(parts),
        )  # fmt: skip
        return Bound(*parts.tolist())


def _native(tables: Splitting) -> _NativeTables:
    return _NativeTables(
        *(array.ctypes.data for array in (tables.finite, tables.forbidden, tables.has_zeros))
    )


class NumpyExpectation:
    """The same in numpy, a variable at a time, for machines without a compiler."""

    engine = "numpy"

    def ascend(
        self,
        tables: Splitting,
        beliefs: np.ndarray,
        *,
        power: float,
        penalty: float,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """See `ExpectationEngine`."""
        graph, changes = tables.graph, []
        for _ in range(sweeps):
            most = 0.0
            for v in range(len(graph.cards)):
                edges = graph.variable_edges[graph.edge_offsets[v] : graph.edge_offsets[v + 1]]
                score, mass = np.zeros(graph.cards[v]), np.zeros(graph.cards[v])
                for edge in edges:
                    score += _expected(tables, tables.finite, beliefs, edge)
                    mass += _expected(tables, tables.forbidden, beliefs, edge)
                score *= power
                if np.isfinite(penalty):
                    score -= penalty * mass
                else:
                    score[mass > mass.min() + 1e-12] = -np.inf
                weights = np.exp(score - score.max())
                own = slice(graph.state_offsets[v], graph.state_offsets[v + 1])
                now = weights / weights.sum()
                most = max(most, float(np.abs(now - beliefs[own]).max()))
                beliefs[own] = now
            changes.append(most)
            if most < tolerance:
                break
        return np.array(changes)

    def bound(self, tables: Splitting, beliefs: np.ndarray) -> Bound:
        """See `ExpectationEngine`."""
        graph, energy, forbidden = tables.graph, 0.0, 0.0
        for edge in graph.scope_offsets[:-1]:
            v = graph.scopes[edge]
            own = beliefs[graph.state_offsets[v] : graph.state_offsets[v + 1]]
            energy += float(own @ _expected(tables, tables.finite, beliefs, edge))
            forbidden += float(own @ _expected(tables, tables.forbidden, beliefs, edge))
        positive = beliefs[beliefs > 0]
        return Bound(energy, forbidden, float(-(positive * np.log(positive)).sum()))


def _expected(tables: Splitting, values: np.ndarray, beliefs: np.ndarray, edge: int) -> np.ndarray:
    """Expectation of a factor's `values` given each state of the variable of `edge`."""
    graph = tables.graph
    f = int(graph.edge_factors[edge])
    scope = graph.factors.scopes[f]
    place = edge - graph.scope_offsets[f]
    table = values[graph.table_offsets[f] : graph.table_offsets[f + 1]]
    table = table.reshape(graph.factors.log_tables[f].shape)
    for axis in reversed(range(len(scope))):
        if axis != place:
            u = scope[axis]
            other = beliefs[graph.state_offsets[u] : graph.state_offsets[u + 1]]
            table = np.tensordot(table, other, axes=([axis], [0]))
    return np.asarray(table)
