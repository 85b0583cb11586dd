"""Reweighted wake-sleep: the program learns from weighted draws, and the guide from them, too.

Bornschein & Bengio (2015), "Reweighted wake-sleep"; Le, Kosiorek, Siddharth, Teh & Wood (2019)
for programs whose draws have no gradient. Weights are taken row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probgen.learn.variational.objectives.checks import check_count, check_number

if TYPE_CHECKING:
    from probgen.learn.variational.estimator import Estimator
    from probgen.learn.variational.layout import Layout
    from probgen.learn.variational.pair import Pair

__all__ = ["WakeSleep"]


@dataclass(frozen=True)
class WakeSleep:
    """The program maximises the importance weighted bound, the guide E_p(z | x)[log q(z | x)].

    No gradient goes through draws, so that sites may be discrete.

    Args:
        particles: draws of the guide for every row.
        sleep: how much of the guide's loss is that of draws of the program itself, 0 to 1,
            instead of weighted draws at the data. Above 0 the guide must take simulated data.

    Raises `OptionError` for values out of range.
    """

    particles: int = 10
    sleep: float = 0.0

    def __post_init__(self) -> None:
        """Validate."""
        check_count(self, "particles", 2)
        check_number(self, "sleep", 0.0, 1.0)

    def estimator(self, pair: Pair, layout: Layout, particles: int | None) -> Estimator:
        """The estimator for one program and guide. Raises `ModelError`."""
        from probgen.learn.variational.weighted import WakeSleepEstimator

        return WakeSleepEstimator(pair, layout, particles or self.particles, self.sleep)
