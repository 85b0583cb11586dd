"""Sequential Monte Carlo with falling tolerances: populations that walk towards the data.

Toni, Welch, Strelkowa, Ipsen & Stumpf (2009), J. R. Soc. Interface 6; Beaumont, Cornuet, Marin &
Robert (2009), Biometrika 96, for kernel and weights; Del Moral, Doucet & Jasra (2012), Stat.
Comput. 22, and Drovandi & Pettitt (2011), Biometrics 67, for tolerances by quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from probgen.errors import OptionError
from probgen.inference.likelihood_free.loop import work
from probgen.inference.likelihood_free.population import Outcome
from probgen.inference.likelihood_free.settings import (
    SimulationPlan,
    check_comparison,
    check_number,
    check_whole,
    shown,
)
from probgen.inference.likelihood_free.simulator import moved_sites
from probgen.inference.likelihood_free.walk import Walk

__all__ = ["SMCABC"]


@dataclass(frozen=True, repr=False)
class SMCABC:
    """Weighted populations with ever smaller tolerances, from the prior towards the posterior.

    For programs whose observed sites can be drawn, with a density or without, where rejection
    would accept too little. Every chain is a population of its own with as many particles as
    draws, all with the same tolerances, so that R-hat shows what chance does to a population.
    The last population is resampled by its weights. Sites that are not moved are drawn anew with
    every data set, and reported as they were where it was accepted.

    Draws are final after the last population only. A run that is interrupted, or looked at on its
    way, has the draws of the last finished one, which are of the posterior at that population's
    tolerance (`epsilon` among the attributes, all of them in `epsilons`); a note says so. What a
    store holds of the population in hand is not lost: `resume` goes on with it, batch by batch.
    More draws are more particles, so that a run cannot be made longer.

    Args:
        epsilon: the tolerance to reach; None goes on until `least_acceptance` or `populations`.
        quantile: of the distances of a population, which is the next tolerance.
        least_acceptance: share of simulations accepted at which it stops.
        populations: most of them.
        sites: latent sites that are moved; None for the continuous ones outside the plates of
            the observed sites, or all of them where there are none.
        summaries, distance: as those of `RejectionABC`.
        simulations: most of all chains together.

    Raises `OptionError` for values out of range.

    Example:
        >>> SMCABC(epsilon=0.1).quantile
        0.5
    """

    epsilon: float | None = None
    quantile: float = 0.5
    least_acceptance: float = 0.02
    populations: int = 30
    sites: tuple[str, ...] | None = None
    summaries: Any = None
    distance: Any = None
    simulations: int = 10_000_000
    extends: ClassVar[bool] = False
    name: ClassVar[str] = "SMCABC"
    serves: ClassVar[tuple[str, ...]] = ("simulator",)
    defaults: ClassVar[Mapping[str, int]] = {"chains": 4, "draws": 500, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_number(self, "epsilon", 0.0, math.inf, closed=True)
        check_number(self, "quantile", 0.0, 1.0)
        check_number(self, "least_acceptance", 0.0, 1.0)
        check_whole(self, "populations")
        check_whole(self, "simulations")
        check_comparison(self)
        if self.sites is not None:
            names = (self.sites,) if isinstance(self.sites, str) else tuple(self.sites)
            if not names or not all(isinstance(name, str) for name in names):
                raise OptionError(f"SMCABC(sites={self.sites!r}): give names of latent sites.")
            object.__setattr__(self, "sites", names)

    def __repr__(self) -> str:
        """The settings; functions by their names."""
        return shown(self)

    def moved(self, program: Any) -> list[str]:
        """The latent sites that the populations move."""
        return moved_sites(program, self.sites)

    def steps(self, plan: SimulationPlan) -> Walk:
        """Batches of simulations."""
        return Walk(self, plan)

    def run(self, plan: SimulationPlan) -> tuple[Outcome, bool]:
        """Populations until the tolerance, or a limit, is reached; also whether interrupted.

        Raises `SamplingError` when simulations run out before there is a population,
        KeyboardInterrupt before the second one is finished.
        """
        return work(self.steps(plan), plan)
