"""One transition of Hamiltonian Monte Carlo for all chains together."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import Leapfrog
from probgen.inference.batched.metric import Metric

__all__ = ["Transition", "transition"]


@dataclass(frozen=True)
class Transition:
    """What became of the chains; one entry per chain in every tensor."""

    ensemble: Ensemble
    """Where they are now."""
    proposal: Ensemble
    """Where their trajectories ended, accepted or not."""
    momentum: torch.Tensor
    """Momenta at the ends of the trajectories (chain, dim)."""
    energy: torch.Tensor
    energy_error: torch.Tensor
    acceptance: torch.Tensor
    diverging: torch.Tensor
    steps: torch.Tensor


def transition(
    leapfrog: Leapfrog,
    start: Ensemble,
    metric: Metric,
    step: float,
    steps: int,
    generator: torch.Generator,
    max_energy_error: float,
) -> Transition:
    """Draw momenta, follow trajectories of `steps` steps, accept by their energy errors."""
    momentum = torch.empty_like(start.position).normal_(generator=generator)
    before = _energy(start, momentum)
    end, last, taken = leapfrog.trajectory(start, momentum, metric, step, steps)
    after = _energy(end, last)
    gain = before - after
    # Comparisons with NaN are false: whatever is not finite lands on the diverging side.
    sound = end.sound() & torch.isfinite(gain) & (gain > -max_energy_error)
    acceptance = torch.where(sound, gain.clamp(max=0).exp(), 0.0)
    accepted = torch.empty_like(gain).uniform_(generator=generator) < acceptance
    energy = torch.where(accepted, after, before)
    return Transition(
        ensemble=end.where(accepted, start),
        proposal=end,
        momentum=last,
        energy=energy,
        energy_error=energy - before,
        acceptance=acceptance,
        diverging=~sound,
        steps=taken,
    )


def _energy(ensemble: Ensemble, momentum: torch.Tensor) -> torch.Tensor:
    """Potential plus kinetic energy (chain,), in nats."""
    return 0.5 * momentum.square().sum(1) - ensemble.log_density
