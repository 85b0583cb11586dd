"""Energy distance of the posterior predictive: no likelihood is asked for, only draws.

Székely & Rizzo (2003); Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and
estimation".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probgen.learn.variational.objectives.checks import check_count, check_number

if TYPE_CHECKING:
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["EnergyDistance"]


@dataclass(frozen=True)
class EnergyDistance:
    """E|X - x|^beta - E|X - X'|^beta / 2 - prior * E[log p(Z)], the mean over rows.

    X and X' are data drawn by the program at two draws Z, Z' of the guide. The observed sites
    must be reparameterised.

    Args:
        beta: the exponent, above 0 and below 2; small where tails are heavy.
        prior: how much the prior counts.
        particles: draws for every row.

    Raises `OptionError` for values out of range.
    """

    beta: float = 1.0
    prior: float = 0.0
    particles: int = 2

    def __post_init__(self) -> None:
        """Validate."""
        check_number(self, "beta", 1e-6, 2 - 1e-6)
        check_number(self, "prior", 0.0)
        check_count(self, "particles", 2)

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.discrepancy import EnergyEstimator

        return EnergyEstimator(pair, layout, particles or self.particles, self.beta, self.prior)
