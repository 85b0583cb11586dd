"""Tables over variables that another table covers are put into that other one.

A pair inside a triple, two tables over one scope, or a table of a single variable make loops in
the factor graph that are none in the model. Merged, messages are fewer and the Bethe
approximation better; no table grows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["marginal_onto", "merge_covered"]


def merge_covered(factors: Factors) -> tuple[Factors, np.ndarray]:
    """The merged factors, and for each factor the position of the one that holds it now."""
    hosts = _hosts(factors.scopes)
    kept = np.unique(hosts)
    if len(kept) == len(hosts):
        return factors, hosts
    position = np.searchsorted(kept, hosts)
    tables = [factors.log_tables[f] for f in kept]
    scopes = [factors.scopes[f] for f in kept]
    for f, scope in enumerate(factors.scopes):
        at = position[f]
        if kept[at] != f:
            tables[at] = tables[at] + _spread(factors.log_tables[f], scope, scopes[at])
    merged = replace(
        factors,
        scopes=tuple(scopes),
        log_tables=tuple(np.ascontiguousarray(table) for table in tables),
        children=(None,) * len(kept),
    )
    return merged, position


def marginal_onto(table: np.ndarray, scope: Sequence[int], target: Sequence[int]) -> np.ndarray:
    """Sum a table over `scope` down to `target`, axes in the order of `target`."""
    away = tuple(axis for axis, v in enumerate(scope) if v not in target)
    left = [v for v in scope if v in target]
    return np.asarray(table.sum(axis=away).transpose([left.index(v) for v in target]))


def _hosts(scopes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """For each factor the one that covers it: the first of equals, never itself covered."""
    around: dict[int, list[int]] = defaultdict(list)
    first: dict[frozenset[int], int] = {}
    hosts = np.arange(len(scopes))
    sets = [frozenset(scope) for scope in scopes]
    # From the largest: whatever covers a factor is in place before it comes.
    for f in sorted(range(len(scopes)), key=lambda f: -len(scopes[f])):
        scope = sets[f]
        rarest = min(scopes[f], key=lambda v: len(around[v]))
        found = first.get(scope)
        if found is None and len(scope) == 1:
            found = next(iter(around[rarest]), None)
        elif found is None:
            found = next((h for h in around[rarest] if scope < sets[h]), None)
        if found is None:
            found = first[scope] = f
            for v in scope:
                around[v].append(f)
        hosts[f] = found
    return hosts


def _spread(table: np.ndarray, scope: Sequence[int], onto: Sequence[int]) -> np.ndarray:
    """A table with its axes in the order of `onto`, of length one where it has none."""
    order = sorted(range(len(scope)), key=lambda axis: onto.index(scope[axis]))
    shape = iter(table.transpose(order).shape)
    return table.transpose(order).reshape([next(shape) if v in scope else 1 for v in onto])
