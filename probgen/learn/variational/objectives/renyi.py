"""Rényi's bound, which at order 0 is that of the importance weighted auto-encoder.

Li & Turner (2016), "Rényi divergence variational inference"; Burda, Grosse & Salakhutdinov
(2016), "Importance weighted autoencoders". The bound is taken row by row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probgen.errors import OptionError
from probgen.learn.variational.objectives.checks import check_count, check_number

if TYPE_CHECKING:
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["RenyiELBO"]


@dataclass(frozen=True)
class RenyiELBO:
    """log mean_k (p(x, z_k) / q(z_k))^(1 - alpha) / (1 - alpha), in expectation.

    Args:
        alpha: the order, not 1 (which is `ELBO`); 0 is the importance weighted bound, tighter
            with every particle.
        particles: draws of the guide for every row.

    Raises `OptionError` for values out of range.
    """

    alpha: float = 0.0
    particles: int = 5

    def __post_init__(self) -> None:
        """Validate."""
        check_number(self, "alpha", -math.inf)
        check_count(self, "particles", 2)
        if self.alpha == 1:
            raise OptionError("RenyiELBO(alpha=1) is the ELBO: take ELBO().")

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.weighted import RenyiEstimator

        return RenyiEstimator(pair, layout, particles or self.particles, self.alpha)
