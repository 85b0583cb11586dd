"""Factors around each variable merged into few tables: what the torch sweeps gather from.

The native sweeps merge the same way in C++ (native/sweep_pieces.hpp).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["MOST_ENTRIES", "MergedTable", "merged_tables"]

MOST_ENTRIES = 4096
"""Tables are multiplied together as long as the product has no more entries."""


@dataclass(frozen=True)
class MergedTable:
    """Log weights (nats) of one variable's states given `parents`: (configuration, state).

    The index of a configuration is the sum of `strides` times the parents' states; the largest
    weight of each is 0, or all are -inf where no state is possible.
    """

    parents: tuple[int, ...]
    strides: tuple[int, ...]
    logs: np.ndarray


def merged_tables(factors: Factors, most: int = MOST_ENTRIES) -> list[list[MergedTable]]:
    """Of each free variable, the tables whose product is its conditional; at least one."""
    touching: list[list[int]] = [[] for _ in factors.cards]
    for f, scope in enumerate(factors.scopes):
        for v in scope:
            touching[v].append(f)
    return [_of_variable(factors, v, touching[v], most) for v in range(len(touching))]


def _of_variable(factors: Factors, v: int, touching: list[int], most: int) -> list[MergedTable]:
    card = int(factors.cards[v])
    groups: list[tuple[list[int], list[int]]] = []
    for f in sorted(touching, key=lambda f: -factors.log_tables[f].size):
        others = [w for w in factors.scopes[f] if w != v]
        for parents, members in groups:
            union = [*parents, *(w for w in others if w not in parents)]
            size = card * math.prod(int(factors.cards[w]) for w in union)
            if size <= most or len(union) == len(parents):
                parents[:] = union
                members.append(f)
                break
        else:
            groups.append((others, [f]))
    return [_merge(factors, v, parents, members) for parents, members in groups or [([], [])]]


def _merge(factors: Factors, v: int, parents: list[int], members: Sequence[int]) -> MergedTable:
    axes = [*parents, v]
    cards = [int(factors.cards[w]) for w in axes]
    total = np.zeros(cards)
    for f in members:
        scope = factors.scopes[f]
        order = sorted(range(len(scope)), key=lambda k: axes.index(scope[k]))
        shape = [card if w in scope else 1 for w, card in zip(axes, cards, strict=True)]
        total += factors.log_tables[f].transpose(order).reshape(shape)
    top = total.max(axis=-1, keepdims=True)
    total -= np.where(top == -np.inf, 0.0, top)
    strides = [math.prod(cards[k + 1 : -1]) for k in range(len(parents))]
    return MergedTable(tuple(parents), tuple(strides), total.reshape(-1, cards[-1]))
