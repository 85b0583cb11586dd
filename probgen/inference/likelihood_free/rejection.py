"""Rejection: simulations from the prior whose data are near the observed ones.

Tavare, Balding, Griffiths & Donnelly (1997); Pritchard, Seielstad, Perez-Lezaun & Feldman (1999).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from probgen.errors import OptionError
from probgen.inference.likelihood_free.loop import work
from probgen.inference.likelihood_free.nearest import Nearest
from probgen.inference.likelihood_free.population import Outcome
from probgen.inference.likelihood_free.settings import (
    SimulationPlan,
    check_comparison,
    check_number,
    check_whole,
    shown,
)

__all__ = ["RejectionABC"]


@dataclass(frozen=True, repr=False)
class RejectionABC:
    """Draws from the prior, kept where data simulated at them lie near the observed data.

    For programs whose observed sites can be drawn, with a density or without. The draws are
    independent, and of the posterior given that the distance is at most the tolerance: the
    posterior itself only where summaries are sufficient and the tolerance is 0.

    A run that is interrupted, or looked at on its way, has the draws found so far: with `epsilon`
    the first draws of the whole run, which `resume` may also make longer; with `quantile` that
    share of the simulations made so far, which are nearest, at the tolerance that this means.

    Args:
        quantile: share of the simulations that is kept, the nearest; what the draws take is
            simulated, draws / quantile.
        epsilon: the tolerance, in place of a share: simulations go on until there are enough.
        summaries: from one data set, tensors by site, to numbers: `lambda data: data["y"].mean()`;
            None for all values of the observed sites.
        distance: from summaries (k,) of simulated and of observed data to a number; None for
            Euclidean, each summary divided by its median absolute deviation under the prior.
        simulations: most of them.

    Raises `OptionError` for values out of range.

    Example:
        >>> RejectionABC(quantile=0.001)
        RejectionABC(quantile=0.001, epsilon=None, summaries=None, distance=None, \
simulations=10000000)
    """

    quantile: float = 0.01
    epsilon: float | None = None
    summaries: Any = None
    distance: Any = None
    simulations: int = 10_000_000
    name: ClassVar[str] = "RejectionABC"
    serves: ClassVar[tuple[str, ...]] = ("simulator",)
    defaults: ClassVar[Mapping[str, int]] = {"chains": 4, "draws": 250, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_number(self, "quantile", 0.0, 1.0)
        check_number(self, "epsilon", 0.0, math.inf, closed=True)
        check_whole(self, "simulations")
        check_comparison(self)

    def __repr__(self) -> str:
        """The settings; functions by their names."""
        return shown(self)

    @property
    def extends(self) -> bool:
        """Whether a stored run can be gone on with to more draws: of the same tolerance."""
        return self.epsilon is not None

    def moved(self, program: Any) -> list[str]:
        """No site: all are drawn from the prior."""
        return []

    def needed(self, wanted: int) -> int:
        """Simulations for so many draws of all chains, or the most of them.

        Raises `OptionError` where more are needed than allowed.
        """
        if self.epsilon is not None:
            return self.simulations
        needed = math.ceil(wanted / self.quantile)
        if needed > self.simulations:
            raise OptionError(
                f"RejectionABC(quantile={self.quantile:g}): {wanted} draws take {needed} "
                f"simulations, and at most simulations={self.simulations} are allowed. Ask "
                "for fewer draws, a larger quantile or more simulations; SMCABC() takes fewer."
            )
        return needed

    def steps(self, plan: SimulationPlan) -> Nearest:
        """Batches of simulations; raises `OptionError` where more are needed than allowed."""
        return Nearest(self, plan)

    def run(self, plan: SimulationPlan) -> tuple[Outcome, bool]:
        """Simulate, and keep what is near; also whether it was interrupted.

        Raises `OptionError` where more simulations are needed than allowed, `SamplingError` when
        too few come near, KeyboardInterrupt where none had been kept.
        """
        return work(self.steps(plan), plan)
