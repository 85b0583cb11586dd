"""Whether moves connect all joint states that some variables can reach, by listing the states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Constraint", "connected", "list_states"]

Constraint = tuple[tuple[int, ...], np.ndarray]


def list_states(
    domains: Sequence[np.ndarray],
    constraints: Iterable[Constraint],
    variables: Sequence[int],
    most: int,
) -> np.ndarray | None:
    """All states of `variables` that `constraints` allow, (states, variables).

    See `Support.domains` and `Support.constraints`; `variables` must hold every variable that
    one of them is tied to. None when there are more than `most` states, or were on the way.
    """
    inside = set(variables)
    within = [(tie, table) for tie, table in constraints if inside.issuperset(tie)]
    order = _completing_first([tie for tie, _ in within], sorted(inside))
    place = {v: k for k, v in enumerate(order)}
    states = np.zeros((1, 0), dtype=np.int32)
    for k, v in enumerate(order):
        alive = np.flatnonzero(domains[v]).astype(np.int32)
        states = np.column_stack((np.repeat(states, len(alive), 0), np.tile(alive, len(states))))
        for tie, table in within:
            if max(place[u] for u in tie) == k:
                states = states[table[tuple(states[:, place[u]] for u in tie)]]
        if len(states) > most:
            return None
    return states[:, [place[v] for v in variables]]


def connected(states: np.ndarray, moves: Sequence[Sequence[int]]) -> bool:
    """Whether `moves` lead from each row of `states` to each other one.

    A move is a set of columns; it leads between rows that agree in all other columns.
    """
    labels = np.arange(len(states))
    groups = []
    for move in moves:
        fixed = np.delete(states, list(move), axis=1)
        groups.append(np.unique(fixed, axis=0, return_inverse=True)[1].reshape(-1))
    while True:
        before = labels.copy()
        for group in groups:
            least = np.full(group.max(initial=0) + 1, len(states))
            np.minimum.at(least, group, labels)
            labels = least[group]
        if (labels == before).all():
            return not labels.any()


def _completing_first(ties: Sequence[Sequence[int]], variables: Sequence[int]) -> list[int]:
    """The variables in an order in which ties are complete, and prune, as early as may be."""
    order: dict[int, None] = {}
    left = [set(tie) for tie in ties]
    while left:
        best = min(left, key=lambda tie: (len(tie - order.keys()), len(tie)))
        order.update(dict.fromkeys(sorted(best)))
        left.remove(best)
    return [*order, *(v for v in variables if v not in order)]
