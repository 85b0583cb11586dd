"""NUTS: the No-U-Turn sampler of Hoffman & Gelman (2014), in its multinomial form.

Trajectories double until they turn back on themselves; the draw is taken from the whole
trajectory (Betancourt 2017). Step size and metric are adapted during warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference import hamiltonian
from probgen.inference.adapt.settings import NUTS_ALGORITHM
from probgen.inference.method import DensityLike, Draws, Plan

__all__ = ["NUTS"]


@dataclass(frozen=True)
class NUTS:
    """The No-U-Turn sampler; the default for continuous posteriors.

    Args:
        target_accept: mean acceptance probability that the step size is adapted to; larger
            values take smaller steps and cure divergences.
        max_tree_depth: a trajectory has at most 2**max_tree_depth - 1 leapfrog steps.
        metric: "diag" scales every coordinate; "low_rank" also stretches the few directions in
            which that is not enough, found from gradients; "dense" unties all linear
            correlations at dim**2 work per step, once there are 2 dim warm-up draws to learn from.
        step_size: a fixed step size, or None to adapt it.
        max_energy_error: energy error (nats) from which a transition counts as divergent.

    Raises `OptionError` for values out of range.

    Example:
        >>> NUTS(target_accept=0.9)
        NUTS(target_accept=0.9, max_tree_depth=10, metric='low_rank', step_size=None, \
max_energy_error=1000.0)
    """

    target_accept: float = 0.8
    max_tree_depth: int = 10
    metric: str = "low_rank"
    step_size: float | None = None
    max_energy_error: float = 1000.0
    name: ClassVar[str] = "NUTS"

    def __post_init__(self) -> None:
        """Validate the settings."""
        hamiltonian.check_common(self)
        depth = self.max_tree_depth
        if not isinstance(depth, int) or isinstance(depth, bool) or not 1 <= depth <= 20:
            raise OptionError(
                f"NUTS(max_tree_depth={depth!r}): it must be an integer from 1 to 20; 10 is usual."
            )

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says; see `probgen.inference.hamiltonian.run`."""
        return hamiltonian.run(
            self, density, plan, algorithm=NUTS_ALGORITHM, max_tree_depth=self.max_tree_depth
        )
