"""What is to be learned: variables and scopes of tables, perhaps with tables to start from."""

from __future__ import annotations

import graphlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import DataError, ModelError
from probgen.learn.table import check_cells

__all__ = ["Skeleton", "directed_skeleton", "undirected_skeleton"]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """The structure of a network without its numbers.

    Attributes
    ----------
    names: the variables, in order.
    states: names of the states of each variable; None where the data must tell.
    scopes: of each table to learn, positions of its variables.
    children: the variable each table is a conditional distribution of, last in its scope; None
        everywhere in a Markov network.
    latents: positions of variables that are declared latent.
    start: log tables (nats) to start from, in the order of `scopes`; None where there are none.
    title: what the network is called.

    """

    names: tuple[Hashable, ...]
    states: tuple[tuple[Hashable, ...] | None, ...]
    scopes: tuple[tuple[int, ...], ...]
    children: tuple[int | None, ...]
    latents: frozenset[int] = frozenset()
    start: tuple[np.ndarray, ...] | None = None
    title: str = "network"

    @property
    def directed(self) -> bool:
        """Whether every table is a conditional distribution."""
        return bool(self.children) and None not in self.children

    @property
    def known_states(self) -> dict[Hashable, tuple[Hashable, ...]]:
        """States of the variables that declare them."""
        pairs = zip(self.names, self.states, strict=True)
        return {name: states for name, states in pairs if states is not None}

    def with_states(self, states: Mapping[Hashable, Sequence[Hashable]]) -> Skeleton:
        """The same with states given for some variables; declared ones must agree in number."""
        for name, given in states.items():
            if name not in self.names:
                raise DataError(f"States are given for {name!r}, which is no variable.")
            declared = self.states[self.names.index(name)]
            if declared is not None and len(declared) != len(given):
                raise DataError(
                    f"{len(given)} states are given for {name!r}, which declares {len(declared)}."
                )
        pairs = zip(self.names, self.states, strict=True)
        merged = (old or tuple(states.get(name, ())) or None for name, old in pairs)
        return replace(self, states=tuple(merged))

    def check_sizes(self, cards: np.ndarray) -> None:
        """Refuse tables that are too large, naming the variable (`TooLargeError`)."""
        for scope, child in zip(self.scopes, self.children, strict=True):
            check_cells(self.names, cards, scope, child)

    def network(self, tables: Sequence[np.ndarray]) -> Network:
        """The network with these log tables (nats); all states must be known."""
        pairs = zip(self.scopes, tables, self.children, strict=True)
        return Network(
            self.names,
            tuple(states or () for states in self.states),
            tuple(Factor(scope, table, child) for scope, table, child in pairs),
            self.title,
            self.latents,
        )


def directed_skeleton(
    names: Sequence[Hashable],
    parents: Mapping[Hashable, Sequence[Hashable]],
    states: Mapping[Hashable, Sequence[Hashable]] | None = None,
    latents: Sequence[Hashable] = (),
    title: str = "network",
) -> Skeleton:
    """The structure of a Bayesian network; raises `ModelError` naming the cycle, if any."""
    try:
        tuple(graphlib.TopologicalSorter({n: parents.get(n, ()) for n in names}).static_order())
    except graphlib.CycleError as error:
        loop = " -> ".join(repr(name) for name in error.args[1])
        raise ModelError(f"A Bayesian network has no directed cycle; this one has {loop}.") from (
            error
        )
    place = {name: v for v, name in enumerate(names)}
    scopes = tuple((*(place[p] for p in parents.get(name, ())), place[name]) for name in names)
    known = states or {}
    return Skeleton(
        tuple(names),
        tuple(tuple(known[name]) if name in known else None for name in names),
        scopes,
        tuple(range(len(names))),
        frozenset(place[name] for name in latents),
        title=title,
    )


def undirected_skeleton(
    names: Sequence[Hashable],
    scopes: Sequence[Sequence[Hashable]],
    states: Mapping[Hashable, Sequence[Hashable]] | None = None,
    latents: Sequence[Hashable] = (),
    title: str = "network",
) -> Skeleton:
    """The structure of a Markov network with one table for each of `scopes`."""
    place = {name: v for v, name in enumerate(names)}
    known = states or {}
    return Skeleton(
        tuple(names),
        tuple(tuple(known[name]) if name in known else None for name in names),
        tuple(tuple(place[name] for name in scope) for scope in scopes),
        (None,) * len(scopes),
        frozenset(place[name] for name in latents),
        title=title,
    )
