"""HMC: Hamiltonian Monte Carlo with a fixed path (Duane et al. 1987, Neal 2011).

A trajectory of fixed integration time or number of steps, the step size jittered so that no
period of the target locks in. Step size and metric are adapted as in NUTS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference import hamiltonian
from probgen.inference.adapt.settings import HMC_ALGORITHM
from probgen.inference.method import DensityLike, Draws, Plan

__all__ = ["HMC"]


@dataclass(frozen=True)
class HMC:
    """Hamiltonian Monte Carlo with a fixed path.

    Args:
        trajectory_length: integration time of a trajectory in units of the adapted metric, in
            which a well-scaled posterior has unit variances: pi/2 carries a draw to an
            independent one. The number of steps is trajectory_length / step size (at most 1024).
        num_steps: a fixed number of leapfrog steps instead.
        jitter: every transition's step size is multiplied by a uniform draw from 1 - jitter to
            1 + jitter.
        target_accept, metric, step_size, max_energy_error: as in `NUTS`.

    Raises `OptionError` for values out of range.
    """

    trajectory_length: float = 1.5707963267948966
    num_steps: int | None = None
    jitter: float = 0.2
    target_accept: float = 0.8
    metric: str = "low_rank"
    step_size: float | None = None
    max_energy_error: float = 1000.0
    name: ClassVar[str] = "HMC"

    def __post_init__(self) -> None:
        """Validate the settings."""
        hamiltonian.check_common(self)
        if not hamiltonian.inside(self.trajectory_length, 0):
            raise OptionError(
                f"HMC(trajectory_length={self.trajectory_length!r}): it must be positive; "
                "pi/2 is usual."
            )
        steps = self.num_steps
        if steps is not None and (
            not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= 100_000
        ):
            raise OptionError(
                f"HMC(num_steps={steps!r}): it must be a positive integer, or None to follow "
                "from trajectory_length."
            )
        if self.jitter != 0 and not hamiltonian.inside(self.jitter, 0, 1):
            raise OptionError(f"HMC(jitter={self.jitter!r}): it must lie in [0, 1); 0.2 is usual.")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says; see `probgen.inference.hamiltonian.run`."""
        return hamiltonian.run(
            self,
            density,
            plan,
            algorithm=HMC_ALGORITHM,
            num_steps=self.num_steps or 0,
            trajectory_length=self.trajectory_length,
            jitter=self.jitter,
        )
