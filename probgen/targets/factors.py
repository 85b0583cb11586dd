"""A network with its evidence put in: what the engines for discrete models see.

Observed variables are gone: every factor is cut at its observed states, and factors without a
free variable are summed into one constant. Engines work on positions of free variables;
`flat` is the same as plain arrays, for native code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import EvidenceError

__all__ = ["Factors", "FlatFactors", "condition"]


@dataclass(frozen=True)
class FlatFactors:
    """Factors as flat arrays, tables in C order (last variable of a scope fastest).

    cards: int32 (n,). scope_offsets: int64 (F + 1,), into `scopes`: int32.
    table_offsets: int64 (F + 1,), into `log_tables`: float64.
    """

    cards: np.ndarray
    scope_offsets: np.ndarray
    scopes: np.ndarray
    table_offsets: np.ndarray
    log_tables: np.ndarray


@dataclass(frozen=True, eq=False)
class Factors:
    """The unnormalised log joint of the free variables of a network, given evidence.

    Attributes
    ----------
    network: the network as declared.
    evidence: observed state of each observed variable, by position in the network.
    free: positions in the network of the free variables, int64 (n,).
    scopes: of each factor, positions within `free`; never empty.
    log_tables: of each factor, nats, float64, axes in the order of its scope.
    children: of each factor, the free variable whose conditional table it is, or None.
    log_constant: nats, of the factors without a free variable.

    """

    network: Network
    evidence: Mapping[int, int]
    free: np.ndarray
    scopes: tuple[tuple[int, ...], ...]
    log_tables: tuple[np.ndarray, ...]
    children: tuple[int | None, ...]
    log_constant: float

    @cached_property
    def cards(self) -> np.ndarray:
        """Number of states of each free variable, int32 (n,)."""
        return self.network.cards[self.free]

    @cached_property
    def flat(self) -> FlatFactors:
        """The same as flat, contiguous arrays."""
        lengths = [len(scope) for scope in self.scopes]
        sizes = [table.size for table in self.log_tables]
        return FlatFactors(
            cards=np.ascontiguousarray(self.cards, dtype=np.int32),
            scope_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            scopes=np.array([v for scope in self.scopes for v in scope], dtype=np.int32),
            table_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            log_tables=np.concatenate([t.ravel() for t in self.log_tables] or [np.zeros(0)]),
        )

    @cached_property
    def neighbours(self) -> list[set[int]]:
        """Markov blanket of each free variable: those it shares a factor with."""
        blanket: list[set[int]] = [set() for _ in self.free]
        for scope in self.scopes:
            for v in scope:
                blanket[v].update(scope)
        for v, others in enumerate(blanket):
            others.discard(v)
        return blanket

    def log_joint(self, states: np.ndarray) -> np.ndarray:
        """Unnormalised log probability (nats) of `states` (..., n), the constant included."""
        states = np.asarray(states)
        total = np.full(states.shape[:-1], self.log_constant)
        for scope, table in zip(self.scopes, self.log_tables, strict=True):
            total += table[tuple(states[..., v] for v in scope)]
        return total

    def name(self, variable: int) -> Any:
        """The user's name of a free variable."""
        return self.network.names[self.free[variable]]

    def describe_evidence(self) -> str:
        """The evidence as `HRBP=HIGH, CVP=LOW`, for messages."""
        network = self.network
        return ", ".join(
            f"{network.names[v]}={network.states[v][s]}" for v, s in self.evidence.items()
        )


def condition(
    network: Network,
    evidence: Mapping[int, int] | None = None,
    soft: Mapping[int, np.ndarray] | None = None,
) -> Factors:
    """Put evidence into a network.

    `evidence` maps positions of variables to positions of states; `soft` maps positions of
    variables to likelihoods of their states (virtual evidence, Pearl 1988). Names are resolved
    before, by `probgen.declare.networks.evidence`. Raises `EvidenceError` when some factor is
    zero for the evidence alone.
    """
    evidence = dict(evidence or {})
    free = np.array([v for v in range(len(network.names)) if v not in evidence], dtype=np.int64)
    place = {int(v): k for k, v in enumerate(free)}
    scopes, tables, children, constant = [], [], [], 0.0
    extra = []
    for v, likelihood in (soft or {}).items():
        with np.errstate(divide="ignore"):
            extra.append(Factor((v,), np.log(np.asarray(likelihood, dtype=np.float64))))
    for factor in (*network.factors, *extra):
        index = tuple(evidence.get(v, slice(None)) for v in factor.scope)
        table = np.asarray(factor.log_table[index], dtype=np.float64)
        scope = tuple(place[v] for v in factor.scope if v not in evidence)
        if scope:
            scopes.append(scope)
            tables.append(np.ascontiguousarray(table))
            children.append(None if factor.child is None else place.get(factor.child))
        else:
            constant += float(table)
            if constant == -np.inf:
                told = ", ".join(
                    f"{network.names[v]}={network.states[v][evidence[v]]}" for v in factor.scope
                )
                raise EvidenceError(f"Impossible evidence: {told} has probability zero.")
    return Factors(
        network=network,
        evidence=evidence,
        free=free,
        scopes=tuple(scopes),
        log_tables=tuple(tables),
        children=tuple(children),
        log_constant=constant,
    )
