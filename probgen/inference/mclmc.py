"""MCLMC: microcanonical Langevin Monte Carlo, unadjusted (Robnik et al. 2023).

The direction of travel follows the gradient at constant speed, and decoheres a little at every
step; no step is rejected for its error, so the draws carry a small bias, which the variance of
the energy error bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference.hamiltonian import inside
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.microcanonical.bias import notes_on_bias
from probgen.inference.microcanonical.checks import check_common
from probgen.inference.microcanonical.run import run

__all__ = ["MCLMC"]

LENGTH_FACTOR = 0.4
"""Decoherence length in autocorrelation times (Robnik et al. 2023)."""
MOST_STEPS = 1024


@dataclass(frozen=True)
class MCLMC:
    """Microcanonical Langevin Monte Carlo, for continuous posteriors: fast, and slightly biased.

    **The draws are unadjusted.** Their bias follows from the variance of a step's energy error
    per coordinate, which is measured (`summary["energy_error_variance"]`, one for each chain): on
    a Gaussian, variances are wrong by about 0.3 times its cube root, which is 2.4 % at the
    default; on other posteriors it may be more. `MAMS` and `NUTS` have no bias.
    The first warm-up draws are made with NUTS, which leaves far starts faster.

    Robnik, De Luca, Silverstein & Seljak (2023), "Microcanonical Hamiltonian Monte Carlo";
    Robnik & Seljak (2024), "Fluctuation without dissipation".

    Args:
        target_energy_error: variance of a step's energy error, per coordinate, that the step size
            is adapted to; the bias falls as its cube root, the cost grows as its sixth root.
        steps_per_draw: integrator steps of one draw, or None for two decoherence lengths.
        metric: "diag" scales every coordinate; "low_rank" also stretches the few directions in
            which that is not enough.
        integrator: "mclachlan" (two gradients a step) or "leapfrog" (one, half as far, with a
            bias half as large again).
        step_size: a fixed step size, in units of the metric, or None to adapt it.
        length: the length over which the direction decoheres, in the same units, or None to
            adapt it; a standard normal in d dimensions takes about sqrt(d).
        max_energy_error: energy error (nats) from which a step is divergent: it is undone, and the
            direction reversed.

    Raises `OptionError` for values out of range.

    Example:
        >>> MCLMC(target_energy_error=1e-4)
        MCLMC(target_energy_error=0.0001, steps_per_draw=None, metric='low_rank', \
integrator='mclachlan', step_size=None, length=None, max_energy_error=1000.0)
    """

    target_energy_error: float = 5e-4
    steps_per_draw: int | None = None
    metric: str = "low_rank"
    integrator: str = "mclachlan"
    step_size: float | None = None
    length: float | None = None
    max_energy_error: float = 1000.0
    name: ClassVar[str] = "MCLMC"

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not inside(self.target_energy_error, 0, 1):
            raise OptionError(
                f"MCLMC(target_energy_error={self.target_energy_error!r}): it must lie between 0 "
                "and 1; 5e-4 is usual, less for a smaller bias."
            )
        steps = self.steps_per_draw
        if steps is not None and (
            not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS
        ):
            raise OptionError(
                f"MCLMC(steps_per_draw={steps!r}): it must be an integer from 1 to {MOST_STEPS}, "
                "or None to follow from the decoherence length."
            )
        check_common(self)

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says; see `probgen.inference.microcanonical.run`.

        `summary["unadjusted"]` is True, and `summary["notes"]` says what bias to expect.
        """
        result = run(
            self,
            density,
            plan,
            hidden=("acceptance_rate",),
            adjusted=0,
            target_energy_error=self.target_energy_error,
            steps_per_draw=self.steps_per_draw or 0,
            length_factor=LENGTH_FACTOR,
        )
        result.summary["unadjusted"] = True
        result.summary["notes"] += notes_on_bias(
            result, self.integrator, None if self.step_size else self.target_energy_error
        )
        return result
