"""MAMS: the Metropolis-adjusted microcanonical sampler (Robnik, Cohn-Gordon & Seljak 2025).

Trajectories at constant speed, whose direction follows the gradient, each accepted or rejected
by its whole energy error, so that the draws have no bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference.hamiltonian import inside
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.microcanonical.checks import check_common
from probgen.inference.microcanonical.run import run

__all__ = ["MAMS"]

LENGTH_FACTOR = 1.0
"""Mean trajectory length in autocorrelation times.

The paper's 0.3 is made for second moments; this serves means and slow coordinates as well.
"""


@dataclass(frozen=True)
class MAMS:
    """The Metropolis-adjusted microcanonical sampler, for continuous posteriors.

    A rival of NUTS without its trees: a trajectory has a random number of steps, up to twice the
    mean, which is learnt in warm-up from the chain's autocorrelation. The first warm-up draws
    are made with NUTS, which leaves far starts faster. arXiv 2503.01707.

    Args:
        target_accept: mean acceptance probability that the step size is adapted to.
        metric: "diag" scales every coordinate; "low_rank" also stretches the few directions in
            which that is not enough.
        integrator: "leapfrog" (one gradient a step) or "mclachlan" (two, more than twice as far).
        step_size: a fixed step size, in units of the metric, or None to adapt it.
        length: mean length of a trajectory in the same units, or None to adapt it; a standard
            normal in d dimensions takes about sqrt(d).
        max_energy_error: energy error (nats) from which a trajectory counts as divergent.

    Raises `OptionError` for values out of range.

    Example:
        >>> MAMS(target_accept=0.95)
        MAMS(target_accept=0.95, metric='low_rank', integrator='leapfrog', step_size=None, \
length=None, max_energy_error=1000.0)
    """

    target_accept: float = 0.9
    metric: str = "low_rank"
    integrator: str = "leapfrog"
    step_size: float | None = None
    length: float | None = None
    max_energy_error: float = 1000.0
    name: ClassVar[str] = "MAMS"

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not inside(self.target_accept, 0, 1):
            raise OptionError(
                f"MAMS(target_accept={self.target_accept!r}): it must lie between 0 and 1; "
                "0.9 is usual."
            )
        check_common(self)

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says; see `probgen.inference.microcanonical.run`."""
        return run(
            self,
            density,
            plan,
            adjusted=1,
            target_accept=self.target_accept,
            length_factor=LENGTH_FACTOR,
        )
