"""Probabilities of the states of many discrete variables, as every engine hands them back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Marginals"]


@dataclass
class Marginals:
    """Probabilities of every state of every free variable, variable after variable.

    The states of variable v stand at `offsets[v]:offsets[v + 1]`. `errors` are Monte Carlo
    standard errors, `r_hat` and `ess` those of each state's indicator; None where an engine
    has none (exact ones).
    """

    offsets: np.ndarray
    probabilities: np.ndarray
    errors: np.ndarray | None = None
    r_hat: np.ndarray | None = None
    ess: np.ndarray | None = None

    def of(self, variable: int) -> np.ndarray:
        """Probabilities of the states of one free variable."""
        return self.probabilities[self.offsets[variable] : self.offsets[variable + 1]]
