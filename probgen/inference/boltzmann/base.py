"""Independent units for the hot end of a ladder, near a machine without favouring a mode of it.

With a the activations of the independent units and x states of the machine, the mean of their log
density under the machine is to be large, and its variance small: what varies together is a mode,
and where the hot end favours one the ladder hardly ever brings back another. So a maximises

    mean log p_a(x) - var(a'x) / 2,

found from states by a bound on the curvature (Bohning & Lindsay 1988), which needs no step size.
A single unit keeps about its rate, as the base rates of the data do (Salakhutdinov & Murray
2008), and N units that all switch together get N times less.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["base_of_states"]

_UNIFORM_SHARE = 0.05
"""Of the rates: what was never seen at one mode must stay possible at another."""
_STEPS = 60
_MOST = 256  # states that are looked at


@torch.no_grad()
def base_of_states(machine: BoltzmannMachine, states: Sequence[Tensor]) -> list[Tensor]:
    """Activations of all layers, (case, width), from states (sample, case, width) of each."""
    every = torch.cat(list(states), -1).double()
    every = every[:: -(-len(every) // _MOST)]
    means = every.mean(0)
    widths, count = machine.widths, len(every)
    # Gaussian units are looked at from their own mean, in units of their variance.
    origin, bound, real = _scales(machine, every)
    deviations = (every - means).transpose(0, 1) / count**0.5  # (case, sample, width)
    found = torch.zeros_like(means)
    target = torch.cat(
        [
            (1 - _UNIFORM_SHARE) * mean + _UNIFORM_SHARE * machine.mean(n, torch.zeros_like(mean))
            for n, mean in enumerate(means.split(widths, -1))
        ],
        -1,
    )
    target = torch.where(real, means - origin, target)
    scaled = deviations / bound
    inner = torch.eye(count).to(every) + scaled @ deviations.transpose(1, 2)
    factor = torch.linalg.cholesky(inner)
    for _ in range(_STEPS):
        parts = [machine.mean(n, part) for n, part in enumerate(found.split(widths, -1))]
        mean = torch.where(real, bound * found, torch.cat(parts, -1))
        along = (deviations @ found[..., None]).squeeze(-1)
        slope = target - mean - (along[:, None] @ deviations).squeeze(1)
        # (B + D'D)^-1 slope by Woodbury's identity, D the deviations and B the bound.
        inside = torch.cholesky_solve((scaled @ slope[..., None]), factor).squeeze(-1)
        found = found + slope / bound - (inside[:, None] @ scaled).squeeze(1)
    found = torch.where(real, origin + bound * found, found)
    return [part.to(machine.dtype) for part in found.split(widths, -1)]


def _scales(machine: BoltzmannMachine, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of every number: its bias, the bound of its curvature, and whether it is Gaussian."""
    origin = torch.cat([bias.to(like) for bias in machine.biases])
    bounds, real = [], []
    for layer, blocks in enumerate(machine.layers):
        variances, start = machine.variances(layer), 0
        for units in blocks:
            place = slice(start, start + units.width)
            start += units.width
            curvature = 0.25 if units.kind == "bernoulli" else 0.5
            own = like.new_full((units.width,), curvature)
            if not units.discrete and variances is not None:
                own = variances[place].to(like)
            bounds.append(own)
            real.append(torch.full((units.width,), not units.discrete, device=like.device))
    return origin, torch.cat(bounds), torch.cat(real)
