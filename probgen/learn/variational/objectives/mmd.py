"""Maximum mean discrepancy in the place of the divergence from the prior.

Zhao, Song & Ermon (2019), "InfoVAE: balancing learning and inference in variational
autoencoders"; Gretton et al. (2012) for the discrepancy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probgen.learn.variational.objectives.checks import check_count, check_number

if TYPE_CHECKING:
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["MMD"]


@dataclass(frozen=True)
class MMD:
    """E_q[-log p(x | z)] + scale * MMD^2(q(z), p(z)), nats per row, summed over latent sites.

    q(z) is the guide over all rows of the minibatch, so that codes may tell their rows apart as
    long as together they look like the prior. The kernel is exp(-|a - b|^2 / (2 length^2)).

    Args:
        scale: of the discrepancy.
        length: of the kernel; None for sqrt(d / 2) in d dimensions.
        particles: draws of the guide per row.

    Raises `OptionError` for values out of range.
    """

    scale: float = 10.0
    length: float | None = None
    particles: int = 1

    def __post_init__(self) -> None:
        """Validate."""
        check_number(self, "scale", 0.0)
        check_count(self, "particles")
        if self.length is not None:
            check_number(self, "length", 1e-12)

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.discrepancy import DiscrepancyEstimator

        return DiscrepancyEstimator(
            pair, layout, particles or self.particles, self.scale, self.length
        )
