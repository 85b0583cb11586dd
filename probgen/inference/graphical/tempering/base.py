"""Independent variables for a path to begin at: log probabilities of all states, flat."""

from __future__ import annotations

import math

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["field_base", "uniform_base"]

_UNIFORM_SHARE = 0.01


def uniform_base(factors: Factors) -> np.ndarray:
    """Every state of a variable alike."""
    cards = factors.cards
    return np.concatenate([*(np.full(card, -math.log(card)) for card in cards), np.zeros(0)])


def field_base(factors: Factors) -> np.ndarray:
    """Each variable by its own factors alone, mixed with a hundredth of uniform.

    Marginals found by a run at the network would be nearer to it, but dangerous: found in one
    mode, they hide the others.
    """
    fields = [np.zeros(card) for card in factors.cards]
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        if len(scope) == 1:
            fields[scope[0]] = fields[scope[0]] + table
    base = [np.zeros(0)]
    for field in fields:
        top = field.max()
        weights = np.exp(field - top) if np.isfinite(top) else np.ones(len(field))
        mixed = (1 - _UNIFORM_SHARE) * weights / weights.sum() + _UNIFORM_SHARE / len(field)
        base.append(np.log(mixed))
    return np.concatenate(base)
