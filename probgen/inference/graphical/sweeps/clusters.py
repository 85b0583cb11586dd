"""Small sets of variables drawn jointly, by making each set one variable of a smaller network.

The joint states of a set are the states of its variable, so sweeps over the smaller network are
Gibbs sweeps with blocks, at the speed of single sites.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from probgen.declare.network import Network
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.targets.factors import Factors

__all__ = ["MOST_JOINT_STATES", "Clustered", "small_blocks"]

MOST_JOINT_STATES = 64
MOST_ENTRIES = 1 << 16


def small_blocks(factors: Factors, blocks: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Those blocks that can be one variable each: few joint states, and in no other block."""
    seen = np.zeros(len(factors.cards), dtype=int)
    for block in blocks:
        seen[list(block)] += 1
    return [
        block
        for block in blocks
        if math.prod(int(factors.cards[v]) for v in block) <= MOST_JOINT_STATES
        and (seen[list(block)] == 1).all()
        and _largest_table(factors, block) <= MOST_ENTRIES
    ]


def _largest_table(factors: Factors, block: tuple[int, ...]) -> int:
    touched = (set(scope) | set(block) for scope in factors.scopes if set(scope) & set(block))
    return max((math.prod(int(factors.cards[v]) for v in union) for union in touched), default=1)


class Clustered:
    """Sweeps in which the variables of each set move together.

    Args:
        factors: the network.
        sets: disjoint; positions of free variables.
        open_sweeps: makes the sweeps over the smaller network.

    """

    def __init__(
        self,
        factors: Factors,
        sets: Sequence[tuple[int, ...]],
        open_sweeps: Callable[[Factors], Sweeps],
    ):
        inside = {v for members in sets for v in members}
        alone = [(v,) for v in range(len(factors.cards)) if v not in inside]
        self._places = [*alone, *sets]
        self._cards = factors.cards
        self._offsets = state_offsets(factors.cards)
        self._merged = merge_network(factors, self._places)
        self._inner = open_sweeps(self._merged)
        self._inner_offsets = state_offsets(self._merged.cards)
        self.state_type: type = np.uint8 if self._cards.max(initial=1) <= 256 else np.uint16

    @property
    def name(self) -> str:
        """What the engine of the smaller network is called."""
        return self._inner.name

    @property
    def update_count(self) -> int:
        """Updates so far, each set counted as one."""
        return self._inner.update_count

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        *,
        first_chain: int = 0,
        subset: np.ndarray | None = None,
        threads: int = 1,
        counts: np.ndarray | None = None,
        draws: np.ndarray | None = None,
        thin: int = 1,
    ) -> None:
        """As `Sweeper.sweep`; a `subset` takes in the sets that lie within it."""
        chains = states.shape[1]
        joint = self._encode(states)
        chosen = None if subset is None else self._chosen(subset)
        tally = (
            np.zeros((self._inner_offsets[-1], chains), np.uint32) if counts is not None else None
        )
        drawn = np.empty((len(draws), *joint.shape), joint.dtype) if draws is not None else None
        self._inner.sweep(
            joint, key, first_sweep, sweeps, first_chain=first_chain, subset=chosen,
            threads=threads, counts=tally, draws=drawn, thin=thin,
        )  # fmt: skip
        self._decode(joint, states)
        if counts is not None and tally is not None:
            self._add_counts(tally, counts)
        if draws is not None and drawn is not None:
            self._decode(drawn, draws)

    def _chosen(self, subset: np.ndarray) -> np.ndarray:
        wanted = set(map(int, subset))
        return np.array([k for k, members in enumerate(self._places) if wanted >= set(members)])

    def _shape(self, members: tuple[int, ...]) -> list[int]:
        return [int(self._cards[v]) for v in members]

    def _encode(self, states: np.ndarray) -> np.ndarray:
        shape = (len(self._places), states.shape[1])
        joint: np.ndarray = np.empty(shape, dtype=self._inner.state_type)
        for k, members in enumerate(self._places):
            index = states[members[0]].astype(np.int32)
            for v in members[1:]:
                index = index * int(self._cards[v]) + states[v]
            joint[k] = index
        return joint

    def _decode(self, joint: np.ndarray, states: np.ndarray) -> None:
        """Into `states` (..., variable, chain), from joint states (..., place, chain)."""
        for k, members in enumerate(self._places):
            if len(members) == 1:
                states[..., members[0], :] = joint[..., k, :]
                continue
            digits = np.indices(self._shape(members)).reshape(len(members), -1)
            for v, digit in zip(members, digits.astype(states.dtype), strict=True):
                states[..., v, :] = digit[joint[..., k, :]]

    def _add_counts(self, tally: np.ndarray, counts: np.ndarray) -> None:
        chains = counts.shape[1]
        for k, members in enumerate(self._places):
            shape = self._shape(members)
            joint = tally[self._inner_offsets[k] : self._inner_offsets[k + 1]]
            table = joint.reshape(*shape, chains)
            for axis, v in enumerate(members):
                others = tuple(a for a in range(len(shape)) if a != axis)
                total = table.sum(axis=others, dtype=np.uint32)
                counts[self._offsets[v] : self._offsets[v + 1]] += total


def merge_network(factors: Factors, places: Sequence[tuple[int, ...]]) -> Factors:
    """The same distribution over one variable for each place, the first of its members slowest."""
    place_of = {v: k for k, members in enumerate(places) for v in members}
    scopes, tables = [], []
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        touched = sorted({place_of[v] for v in scope})
        members = [v for k in touched for v in places[k]]
        order = [scope.index(v) for v in members if v in scope]
        shape = [int(factors.cards[v]) if v in scope else 1 for v in members]
        full = [int(factors.cards[v]) for v in members]
        spread = np.broadcast_to(table.transpose(order).reshape(shape), full)
        cards = [math.prod(int(factors.cards[v]) for v in places[k]) for k in touched]
        scopes.append(tuple(touched))
        tables.append(np.ascontiguousarray(spread.reshape(cards)))
    names = [tuple(factors.name(v) for v in members) for members in places]
    cards = [math.prod(int(factors.cards[v]) for v in members) for members in places]
    network = Network(
        tuple(name[0] if len(name) == 1 else name for name in names),
        tuple(tuple(range(card)) for card in cards),
        (),
        factors.network.title,
    )
    return replace(
        factors,
        network=network,
        evidence={},
        free=np.arange(len(places)),
        scopes=tuple(scopes),
        log_tables=tuple(tables),
        children=(None,) * len(scopes),
    )
