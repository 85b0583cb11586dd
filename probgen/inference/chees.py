"""ChEES-HMC: many chains in lockstep that adapt one trajectory length together.

Hoffman, Radul & Sountsov (2021), "An adaptive MCMC scheme for setting trajectory lengths in
Hamiltonian Monte Carlo". Every chain takes the same number of leapfrog steps, so that all their
gradients are one batched computation: on a GPU, in torch, or in native code over threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import OptionError
from probgen.inference.hamiltonian import inside
from probgen.inference.method import DensityLike, Draws, Plan

__all__ = ["ChEES"]

MOST_STEPS = 100_000


@dataclass(frozen=True)
class ChEES:
    """Hamiltonian Monte Carlo with many chains that share what they learn.

    Worth its while where a batch of gradients costs little more than one: on a GPU, or without
    a compiler. Chains should be 16 or more, for they are what adaptation learns from.

    Args:
        target_accept: harmonic mean over chains of their acceptance probability (each averaged
            over its last transitions) that the step size is adapted to; larger values take
            smaller steps. (The paper's 0.651 is for probabilities that are not averaged.)
        step_size: a fixed step size, or None to adapt it.
        trajectory_length: a fixed longest time to travel in the whitened space, or None to
            adapt it by the ChEES criterion.
        jitter: which part of the trajectory length varies (by a Halton sequence); 1 draws
            lengths evenly between nothing and the longest, 0 always goes the whole way.
        metric: "diag" scales every coordinate; "low_rank" also stretches the few directions in
            which that is not enough.
        max_steps: most leapfrog steps of a trajectory.
        max_energy_error: energy error (nats) from which a transition counts as divergent.
        device: "auto" (that of the density), "cpu", "cuda" or another device of torch.

    Raises `OptionError` for values out of range.

    Example:
        >>> ChEES(target_accept=0.7).jitter
        0.5
    """

    target_accept: float = 0.8
    step_size: float | None = None
    trajectory_length: float | None = None
    jitter: float = 0.5
    metric: str = "low_rank"
    max_steps: int = 1000
    max_energy_error: float = 1000.0
    device: str = "auto"
    name: ClassVar[str] = "ChEES"
    serves: ClassVar[tuple[str, ...]] = ("density",)
    defaults: ClassVar[dict[str, int]] = {"chains": 32, "draws": 500, "warmup": 300}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not inside(self.target_accept, 0, 1):
            self._refuse("target_accept", "it must lie between 0 and 1; 0.8 is usual")
        for option in ("step_size", "trajectory_length"):
            value = getattr(self, option)
            if value is not None and not inside(value, 0):
                self._refuse(option, "it must be positive, or None to adapt it")
        if self.jitter != 0 and self.jitter != 1 and not inside(self.jitter, 0, 1):
            self._refuse("jitter", "it must lie in [0, 1]; 0.5 is usual")
        if self.metric not in ("low_rank", "diag"):
            self._refuse("metric", "it must be 'low_rank' or 'diag'")
        steps = self.max_steps
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
            self._refuse("max_steps", f"it must be an integer from 1 to {MOST_STEPS}")
        if not inside(self.max_energy_error, 0):
            self._refuse("max_energy_error", "it must be positive; 1000 is usual")
        if not isinstance(self.device, str):
            self._refuse("device", "it must be a name such as 'auto', 'cpu' or 'cuda'")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says; see `probgen.inference.batched.run`."""
        from probgen.inference.batched.run import run

        return run(self, density, plan)

    def _refuse(self, option: str, why: str) -> None:
        raise OptionError(f"{self.name}({option}={getattr(self, option)!r}): {why}.")
