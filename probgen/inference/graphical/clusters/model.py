"""Which networks Swendsen-Wang can sample, and what it needs to know of them.

Every pair table must be a field on either end plus a reward c[k] >= 0 for both ends being in the
same state k. A table of two binary variables always has that form up to the sign of its coupling;
negative signs are turned by flipping variables where the graph is balanced (Harary 1953), as a
bipartite antiferromagnet is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from probgen.errors import ModelError
from probgen.inference.graphical.blocks.support import impossible
from probgen.targets.factors import Factors

__all__ = [
    "Ferromagnet",
    "check_possible",
    "ferromagnet",
    "is_ferromagnetic",
    "permanent_clusters",
]

_CURE = "Take ParallelTempering or Gibbs, which serve any network."


@dataclass(frozen=True, eq=False)
class Ferromagnet:
    """log density = sum_v field[v, x_v] + sum_e coupling[e, x_a] [x_a == x_b], in nats.

    Attributes
    ----------
    cards: states of each variable, int32 (n,).
    ends: variables a, b at the ends of every edge, int32 (E, 2).
    coupling: float64 (E, K), K the largest number of states; >= 0, inf where the ends must agree.
    field: float64 (n, K); -inf for impossible states, and beyond a variable's own.
    flipped: binary variables whose states are exchanged here, bool (n,).

    """

    cards: np.ndarray
    ends: np.ndarray
    coupling: np.ndarray
    field: np.ndarray
    flipped: np.ndarray


@dataclass
class _Edge:
    """A pair's own fields, and its reward for agreement (negative ones binary only)."""

    first: np.ndarray
    second: np.ndarray
    coupling: np.ndarray


def is_ferromagnetic(factors: Factors) -> bool:
    """Whether `SwendsenWang` can sample these factors, flips of binary variables allowed."""
    try:
        ferromagnet(factors)
    except ModelError:
        return False
    return True


def ferromagnet(factors: Factors) -> Ferromagnet:
    """Fields and couplings of a ferromagnet.

    Raises `ModelError` naming the factor that is no ferromagnetic pair, or the pair at which flips
    of binary variables contradict each other (frustration).
    """
    if max(factors.cards, default=1) > 256:
        raise ModelError(f"SwendsenWang serves variables of up to 256 states. {_CURE}")
    field, tables = _gather(factors)
    edges = {}
    for pair, table in tables.items():
        edge = _decompose(table, factors, pair)
        field[pair[0]] = field[pair[0]] + edge.first
        field[pair[1]] = field[pair[1]] + edge.second
        if np.any(edge.coupling != 0):
            edges[pair] = edge
    flipped = _gauge(factors, edges)
    stride = int(max(factors.cards, default=1))
    padded = np.full((len(factors.cards), stride), -np.inf)
    for v, values in enumerate(field):
        padded[v, : len(values)] = values[::-1] if flipped[v] else values
    coupling = np.zeros((len(edges), stride))
    for e, edge in enumerate(edges.values()):
        # c [x_a == x_b] is c - c [x_a != x_b]: flipping one end turns the sign.
        coupling[e, : len(edge.coupling)] = np.abs(edge.coupling)
    ends = np.array(list(edges), dtype=np.int32).reshape(-1, 2)
    return Ferromagnet(factors.cards.astype(np.int32), ends, coupling, padded, flipped)


def _gather(factors: Factors) -> tuple[list[np.ndarray], dict[tuple[int, int], np.ndarray]]:
    """Fields of the variables, and one table for every coupled pair, duplicates added up."""
    field = [np.zeros(int(card)) for card in factors.cards]
    tables: dict[tuple[int, int], np.ndarray] = {}
    for scope, log_table in zip(factors.scopes, factors.log_tables, strict=True):
        kept = tuple(v for v in scope if factors.cards[v] > 1)
        table = log_table.reshape([int(factors.cards[v]) for v in kept])
        if len(kept) > 2:
            raise ModelError(
                f"SwendsenWang serves networks of pairs; the factor over "
                f"{_names(factors, kept)} has {len(kept)} variables. {_CURE}"
            )
        if len(kept) == 1:
            field[kept[0]] = field[kept[0]] + table
        elif len(kept) == 2:
            pair = (min(kept), max(kept))
            table = table if kept == pair else table.T
            tables[pair] = tables.get(pair, 0.0) + table
    return field, tables


def _decompose(table: np.ndarray, factors: Factors, pair: tuple[int, int]) -> _Edge:
    finite = np.isfinite(table)
    if finite.all() and _is_additive(table):
        return _Edge(table[:, 0] - table[0, 0], table[0].copy(), np.zeros(len(table)))
    if table.shape[0] != table.shape[1]:
        raise _not_ferromagnetic(factors, pair, "its variables have different numbers of states")
    same = np.eye(len(table), dtype=bool)
    if finite[same].all() and not finite[~same].any():
        zero = np.zeros(len(table))
        return _Edge(np.diag(table).copy(), zero, np.full(len(table), np.inf))
    if len(table) == 2 and finite[~same].all() and not finite[same].any():
        return _Edge(np.array([table[0, 1], table[1, 0]]), np.zeros(2), np.full(2, -np.inf))
    if not finite.all():
        raise _not_ferromagnetic(factors, pair, "it has zeros other than between unequal states")
    if len(table) == 2:
        coupling = 0.5 * (table[0, 0] + table[1, 1] - table[0, 1] - table[1, 0])
        bare = table - coupling * same
        return _Edge(bare[:, 0] - bare[0, 0], bare[0].copy(), np.full(2, coupling))
    return _potts(table, factors, pair)


def _potts(table: np.ndarray, factors: Factors, pair: tuple[int, int]) -> _Edge:
    """A table of three states or more: fields from its unequal states, rewards from the equal."""
    states = len(table)
    same = np.eye(states, dtype=bool)
    rows, columns = np.nonzero(~same)
    design = np.zeros((len(rows), 2 * states))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), states + columns] = 1
    fields = np.linalg.lstsq(design, table[~same], rcond=None)[0]
    first, second = fields[:states], fields[states:]
    rest = table - first[:, None] - second
    tolerance = 1e-9 * (1 + np.abs(table).max())
    if np.abs(rest[~same]).max() > tolerance:
        raise _not_ferromagnetic(factors, pair, "its unequal states differ by more than fields")
    coupling = np.diag(rest).copy()
    if coupling.min() < -tolerance:
        raise _not_ferromagnetic(factors, pair, "it prefers unequal states")
    return _Edge(first, second, np.where(coupling > tolerance, coupling, 0.0))


def _is_additive(table: np.ndarray) -> bool:
    interaction = table - table[:, :1] - table[:1] + table[0, 0]
    return bool(np.abs(interaction).max() <= 1e-12 * (1 + np.abs(table).max()))


def _gauge(factors: Factors, edges: dict[tuple[int, int], _Edge]) -> np.ndarray:
    """Which binary variables to flip so that every coupling becomes positive."""
    links: dict[int, list[tuple[int, bool]]] = {}
    for (a, b), edge in edges.items():
        opposed = bool(edge.coupling[0] < 0)
        links.setdefault(a, []).append((b, opposed))
        links.setdefault(b, []).append((a, opposed))
    flipped: dict[int, bool] = {}
    for root in links:
        if root in flipped:
            continue
        flipped[root] = False
        queue = deque([root])
        while queue:
            v = queue.popleft()
            for w, opposed in links[v]:
                if w not in flipped:
                    flipped[w] = flipped[v] ^ opposed
                    queue.append(w)
                elif flipped[w] != flipped[v] ^ opposed:
                    told = "it closes a loop with an odd number of negative couplings"
                    raise _not_ferromagnetic(factors, (min(v, w), max(v, w)), told)
    return np.array([flipped.get(v, False) for v in range(len(factors.cards))], dtype=bool)


def _not_ferromagnetic(factors: Factors, pair: tuple[int, int], why: str) -> ModelError:
    return ModelError(
        f"SwendsenWang serves ferromagnets; the factor over {_names(factors, pair)} is none: "
        f"{why}. {_CURE}"
    )


def _names(factors: Factors, scope: tuple[int, ...]) -> str:
    return "(" + ", ".join(repr(factors.name(v)) for v in scope) + ")"


def permanent_clusters(model: Ferromagnet) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of variables that must agree, int (n,), and their fields, (clusters, K)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(model.cards)
    fixed = model.ends[np.isinf(model.coupling).any(axis=1)]
    graph = coo_array((np.ones(len(fixed)), (fixed[:, 0], fixed[:, 1])), shape=(n, n))
    count, cluster = connected_components(graph, directed=False)
    field = np.zeros((count, model.field.shape[1]))
    np.add.at(field, cluster, model.field)
    return cluster, field


def check_possible(factors: Factors, cluster: np.ndarray, field: np.ndarray) -> None:
    """Raise `EvidenceError` or `ModelError` when no state is left for some variables."""
    dead = np.flatnonzero(np.isneginf(field).all(axis=1))
    if dead.size:
        tied = tuple(np.flatnonzero(cluster == dead[0])[:10].tolist())
        raise impossible(factors, tied[0], tied)
