"""Maximum mean discrepancy between draws and data, or of codes from the prior.

Gretton et al. (2012), "A kernel two-sample test", JMLR 13; Li, Swersky & Zemel (2015),
"Generative moment matching networks", ICML; Zhao, Song & Ermon (2019), "InfoVAE: balancing
learning and inference in variational autoencoders".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from probgen.errors import OptionError
from probgen.learn.variational.objectives.checks import (
    check_count,
    check_number,
    check_rate,
    checked_sites,
)

if TYPE_CHECKING:
    from torch import nn

    from probgen.learn.training.information import DataInfo
    from probgen.learn.training.options import TrainingOptions
    from probgen.learn.training.protocol import Learner
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["MMD"]


_MULTIPLES = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Lengths of kernels as multiples of the median distance of the data."""
_SAMPLE = 1000


@dataclass(frozen=True)
class MMD:
    """Kernels that tell draws from data; a method of `fit`, or an objective of `SVI`.

    `fit(model, MMD())` learns a program without a guide, such as a generator with an `Implicit`
    site, by E k(X, X') + E k(x, x') - 2 E k(X, x) for draws X and data x, k the mean over
    `length` of exp(-|a - b|^2 / (2 length^2)). Draws must be reparameterised.

    `SVI(objective=MMD())` has E_q[-log p(x | z)] + scale * MMD^2(q(z), p(z)), nats per row, summed
    over latent sites. q(z) is the guide over all rows of the minibatch, so that codes may tell
    their rows apart as long as together they look like the prior.

    Args:
        scale: of SVI, of the discrepancy.
        length: of the kernel, or several lengths. None for sqrt(d / 2) in d dimensions in SVI,
            and in fit for five of an eighth to twice the median distance of the data.
        particles: draws per row.
        learning_rate: of fit, a number or a schedule.
        optimiser: of fit, the name of a class of `torch.optim`, or a function from parameters.
        sites: of fit, which observed sites are compared, jointly; None for all.

    Raises `OptionError` for values out of range.
    """

    scale: float = 10.0
    length: float | tuple[float, ...] | None = None
    particles: int = 1
    learning_rate: Any = 1e-3
    optimiser: Any = "adam"
    sites: tuple[str, ...] | None = None
    name: ClassVar[str] = "MMD"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 100, "batch_size": 200}

    def __post_init__(self) -> None:
        """Validate."""
        check_number(self, "scale", 0.0)
        check_count(self, "particles")
        if isinstance(self.length, (tuple, list)):
            object.__setattr__(self, "length", tuple(self.length))
            numbers = [isinstance(v, (int, float)) and 0 < v < 1e300 for v in self.length]
            if not numbers or not all(numbers):
                raise OptionError(f"MMD(length={self.length!r}): lengths are numbers above 0.")
        elif self.length is not None:
            check_number(self, "length", 1e-12)
        check_rate(self)
        object.__setattr__(self, "sites", checked_sites(self))

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> Learner:
        """The learner of a module by its draws. Raises what `fit` raises."""
        from probgen.learn.matching.kernels import gaussian, median_distance
        from probgen.learn.matching.learner import MatchingLearner
        from probgen.learn.matching.sides import Sides

        sides = Sides(model, self.sites, info, self.name)
        lengths = self.length if isinstance(self.length, tuple) else (self.length or 0.0,)
        if self.length is None:
            median = median_distance(sides.data(info.sample(min(info.rows, _SAMPLE))))
            lengths = tuple(multiple * median for multiple in _MULTIPLES)
        told = "squared maximum mean discrepancy between draws and data" + (
            ", given the rows, up to a constant" if sides.conditional else ""
        )
        learner = MatchingLearner(model, sides, gaussian(lengths), self, told)
        learner.summary["lengths"] = [round(length, 6) for length in lengths]
        return learner

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.discrepancy import DiscrepancyEstimator

        if isinstance(self.length, tuple):
            raise OptionError(f"MMD(length={self.length}): SVI takes one length of the kernel.")
        return DiscrepancyEstimator(
            pair, layout, particles or self.particles, self.scale, self.length
        )
