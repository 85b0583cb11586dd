"""Energy distance: no likelihood is asked for, only draws.

Székely & Rizzo (2003); Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and
estimation".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

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

__all__ = ["EnergyDistance"]


@dataclass(frozen=True)
class EnergyDistance:
    """How far draws of a program are from data; a method of `fit`, or an objective of `SVI`.

    `fit(model, EnergyDistance())` learns a program without a guide, such as a generator with an
    `Implicit` site, by 2 E|X - x|^beta - E|X - X'|^beta - E|x - x'|^beta, which is 0 where draws
    X and data x have one law. Draws must be reparameterised.

    `SVI(objective=EnergyDistance())` has E|X - x|^beta - E|X - X'|^beta / 2 - prior * E[log p(Z)],
    the mean over rows. X and X' are data drawn by the program at two draws Z, Z' of the guide.

    Args:
        beta: the exponent, above 0 and below 2; small where tails are heavy.
        prior: of SVI, how much the prior counts.
        particles: draws for every row.
        learning_rate: of fit, a number or a schedule.
        optimiser: of fit, the name of a class of `torch.optim`, or a function from parameters.
        sites: of fit, which observed sites are compared, jointly; None for all.

    Raises `OptionError` for values out of range.
    """

    beta: float = 1.0
    prior: float = 0.0
    particles: int = 2
    learning_rate: Any = 1e-3
    optimiser: Any = "adam"
    sites: tuple[str, ...] | None = None
    name: ClassVar[str] = "EnergyDistance"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 100, "batch_size": 200}

    def __post_init__(self) -> None:
        """Validate."""
        check_number(self, "beta", 1e-6, 2 - 1e-6)
        check_number(self, "prior", 0.0)
        check_count(self, "particles", 2)
        check_rate(self)
        object.__setattr__(self, "sites", checked_sites(self))

    def learner(self, model: nn.Module, info: DataInfo, options: TrainingOptions) -> Learner:
        """The learner of a module by its draws. Raises `ModelError`, `OptionError`."""
        from probgen.learn.matching.kernels import power
        from probgen.learn.matching.learner import MatchingLearner
        from probgen.learn.matching.sides import Sides

        sides = Sides(model, self.sites, info, self.name)
        told = "energy distance between draws and data" + (
            ", given the rows, up to a constant" if sides.conditional else ""
        )
        return MatchingLearner(model, sides, power(self.beta), self, told)

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.discrepancy import EnergyEstimator

        return EnergyEstimator(pair, layout, particles or self.particles, self.beta, self.prior)
