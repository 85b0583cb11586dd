"""A discrete graphical model as every engine sees it: names, states and log tables, frozen.

All declarations of networks (pgmpy models, BIF and UAI files, transition matrices) are read into
this one form. A Bayesian network is one whose factors are conditional probability tables, each
with the child that it normalises; a Markov network has factors of any size.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from probgen.errors import ModelError

__all__ = ["Factor", "Network"]


@dataclass(frozen=True, eq=False)
class Factor:
    """A table over some variables, in nats.

    `scope` holds positions in the network's `names`, each once; axis k of `log_table` belongs to
    `scope[k]`. Impossible states are -inf. `child` is the variable that the table is a
    conditional distribution of (it sums to one over that axis), or None.
    """

    scope: tuple[int, ...]
    log_table: np.ndarray
    child: int | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """A discrete Markov or Bayesian network.

    Attributes
    ----------
    names: the variables as the user named them (str, int, tuple ...), in order.
    states: names of the states of each variable, in the order of the tables' axes.
    factors: tables over them; a variable may occur in none.
    title: what the network is called in messages and results.
    latents: positions of variables that the declaration calls latent.

    Raises `ModelError` when scopes and tables do not fit, or a table holds NaN or +inf.

    Example:
        >>> coin = Factor((0,), np.log([0.5, 0.5]), child=0)
        >>> Network(("coin",), (("heads", "tails"),), (coin,)).kind
        'bayesian'

    """

    names: tuple[Hashable, ...]
    states: tuple[tuple[Hashable, ...], ...]
    factors: tuple[Factor, ...]
    title: str = "network"
    latents: frozenset[int] = field(default=frozenset())

    def __post_init__(self) -> None:
        """Check that tables fit their scopes."""
        if len(self.states) != len(self.names):
            raise ModelError(
                f"{len(self.names)} variables but {len(self.states)} lists of states."
            )
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ModelError(f"The variable {twice!r} is declared twice.")
        for name, states in zip(self.names, self.states, strict=True):
            if not states:
                raise ModelError(f"The variable {name!r} has no states.")
            if len(set(states)) != len(states):
                raise ModelError(f"The variable {name!r} names a state twice: {states}.")
        for factor in self.factors:
            self._check(factor)

    def _check(self, factor: Factor) -> None:
        scope = tuple(self.names[v] for v in factor.scope)
        if len(set(factor.scope)) != len(factor.scope):
            raise ModelError(f"The factor over {scope} names a variable twice.")
        cards = tuple(len(self.states[v]) for v in factor.scope)
        if factor.log_table.shape != cards:
            raise ModelError(
                f"The factor over {scope} has a table of shape {factor.log_table.shape}; "
                f"the variables have {cards} states."
            )
        if np.isnan(factor.log_table).any() or (factor.log_table == np.inf).any():
            raise ModelError(f"The table of the factor over {scope} holds NaN or infinity.")

    @cached_property
    def cards(self) -> np.ndarray:
        """Number of states of each variable, int32."""
        return np.array([len(states) for states in self.states], dtype=np.int32)

    @cached_property
    def position(self) -> dict[Hashable, int]:
        """Position of each variable name."""
        return {name: v for v, name in enumerate(self.names)}

    @cached_property
    def kind(self) -> str:
        """ "bayesian" when every variable has exactly one conditional table, else "markov"."""
        children = [factor.child for factor in self.factors]
        whole = None not in children and sorted(children) == list(range(len(self.names)))  # type: ignore[type-var]
        return "bayesian" if whole else "markov"

    @property
    def log_states(self) -> float:
        """Logarithm (nats) of the number of joint states."""
        return math.fsum(math.log(card) for card in self.cards)

    def parents(self, variable: int) -> tuple[int, ...]:
        """Parents of a variable in a Bayesian network, in the order of its table's axes."""
        for factor in self.factors:
            if factor.child == variable:
                return tuple(v for v in factor.scope if v != variable)
        return ()

    def labels(self) -> list[str]:
        """The names as distinct texts fit for a DataTree: no slash, ("A", 0) as A[0]."""
        return distinct_labels(self.names)

    def __repr__(self) -> str:
        return (
            f"Network({self.title!r}: {self.kind}, {len(self.names)} variables, "
            f"{len(self.factors)} factors)"
        )


def distinct_labels(names: Sequence[Hashable]) -> list[str]:
    """Texts for names: as they print, without slashes, made distinct by a number if need be."""
    last: dict[str, int] = {}  # number that made the latest label of a text distinct
    taken: set[str] = set()
    labels = []
    for name in names:
        if isinstance(name, tuple) and len(name) == 2:
            text = f"{name[0]}[{name[1]}]"
        else:
            text = str(name)
        text = text.replace("/", "|") or "_"
        label = text
        while label in taken:
            last[text] = last.get(text, 1) + 1
            label = f"{text}~{last[text]}"
        taken.add(label)
        labels.append(label)
    return labels
