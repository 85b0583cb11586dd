"""Marginal oracles for learning: log partition function and factor marginals of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probgen.errors import OptionError
from probgen.inference.graphical import belief_propagation
from probgen.inference.graphical.elimination import tree
from probgen.inference.graphical.elimination.memory import cost_of
from probgen.targets.factors import Factors

__all__ = ["marginal_oracle"]

_EXACT_ENTRIES = 2e6  # an oracle is asked hundreds of times

Oracle = Callable[[Factors], tuple[float, list[np.ndarray]]]


def marginal_oracle(engine: str) -> Oracle:
    """The oracle by name: "exact", "belief_propagation" (Bethe), or "auto" by the width."""
    if engine == "exact":
        return tree.factor_marginals
    if engine == "belief_propagation":
        return belief_propagation.factor_marginals
    if engine == "auto":
        return _cheapest
    raise OptionError(f"engine={engine!r}: exact, belief_propagation or auto.")


def _cheapest(factors: Factors) -> tuple[float, list[np.ndarray]]:
    if cost_of(factors).entries <= _EXACT_ENTRIES:
        return tree.factor_marginals(factors)
    return belief_propagation.factor_marginals(factors)
