"""Factors with some free variables set to a state, and with variables tied together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["restrict", "tie"]


def restrict(factors: Factors, states: Mapping[int, int]) -> Factors:
    """`factors` with free variables (by position) set to states, as if they were observed."""
    kept = [v for v in range(len(factors.free)) if v not in states]
    place = {v: k for k, v in enumerate(kept)}
    scopes, tables, children, constant = [], [], [], factors.log_constant
    for scope, table, child in zip(
        factors.scopes, factors.log_tables, factors.children, strict=True
    ):
        cut = table[tuple(states.get(v, slice(None)) for v in scope)]
        left = tuple(place[v] for v in scope if v in place)
        if not left:
            constant += float(cut)
            continue
        scopes.append(left)
        tables.append(np.ascontiguousarray(cut))
        children.append(None if child is None else place.get(child))
    observed = {int(factors.free[v]): int(state) for v, state in states.items()}
    return replace(
        factors,
        evidence={**factors.evidence, **observed},
        free=factors.free[kept],
        scopes=tuple(scopes),
        log_tables=tuple(tables),
        children=tuple(children),
        log_constant=constant,
    )


def tie(factors: Factors, variables: Sequence[int]) -> Factors:
    """`factors` with a table of ones over `variables`, so that some clique holds them all."""
    table = np.zeros([int(factors.cards[v]) for v in variables])
    return replace(
        factors,
        scopes=(*factors.scopes, tuple(variables)),
        log_tables=(*factors.log_tables, table),
        children=(*factors.children, None),
    )
