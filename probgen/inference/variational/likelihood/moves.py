"""Hamiltonian transitions of many cases at once, along the path from a base to a posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probgen.inference.graphical.tempering.positions import fixed_positions
from probgen.inference.variational.likelihood.placed import Latents
from probgen.learn.training.protocol import Batch

__all__ = ["Course", "Pilot", "tuned"]

LEAPFROGS = 10
_ACCEPT = 0.65
"""Rate of acceptance that steps are tuned to (Beskos et al. 2013)."""
_POSITIONS, _TRIES = 15, 3
_FIRST = 0.3


class Course:
    """The log density base^(1 - s) * joint^s over rows of latents; `count` cases in copies."""

    def __init__(self, latents: Latents, batch: Batch, guide: bool, count: int) -> None:
        self.latents, self.batch, self.guide, self.count = latents, batch, guide, count

    @torch.no_grad()
    def slope(self, x: Tensor) -> Tensor:
        """How the log density grows with s, (row,)."""
        base, joint = self.latents.log_densities(x, self.batch, self.guide)
        return joint - base

    def move(self, x: Tensor, s: float, step: Tensor) -> tuple[Tensor, Tensor]:
        """One transition at position s, steps (case,); acceptance probabilities (row,).

        Duane, Kennedy, Pendleton & Roweth (1987). A trajectory that is not finite is refused.
        """
        size = step.repeat(len(x) // self.count)[:, None]
        momentum = torch.randn_like(x)
        value, gradient = self._at(x, s)
        energy = value - 0.5 * momentum.square().sum(1)
        place, moving = x, momentum
        for _ in range(LEAPFROGS):
            moving = moving + 0.5 * size * gradient
            place = place + size * moving
            new, gradient = self._at(place, s)
            moving = moving + 0.5 * size * gradient
        change = new - 0.5 * moving.square().sum(1) - energy
        accept = torch.nan_to_num(change, nan=-torch.inf).clamp(max=0).exp()
        taken = torch.rand_like(accept) < accept
        return torch.where(taken[:, None], place, x), accept

    def _at(self, x: Tensor, s: float) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            base, joint = self.latents.log_densities(leaf, self.batch, self.guide)
            value = (1 - s) * base + s * joint
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), torch.nan_to_num(gradient)


@dataclass(frozen=True, eq=False)
class Pilot:
    """What a short walk found: step sizes (position, case), and how steep the path is.

    Later walks take its step sizes as they are, so that their weights stay unbiased.
    """

    knots: np.ndarray
    logs: Tensor
    speeds: np.ndarray

    def step_sizes(self, s: float) -> Tensor:
        """Of every case at position s."""
        at = int(np.clip(np.searchsorted(self.knots, s), 1, len(self.knots) - 1))
        low, high = self.knots[at - 1], self.knots[at]
        share = (s - low) / (high - low)
        return ((1 - share) * self.logs[at - 1] + share * self.logs[at]).exp()

    def positions(self, steps: int) -> np.ndarray:
        """`steps` + 1 positions from 0 to 1, dense where weights spread (Gelman & Meng 1998)."""
        speeds = np.maximum(self.speeds, 1e-3 * self.speeds.max() + 1e-12)
        middle = 0.5 * (speeds[1:] + speeds[:-1]) * np.diff(self.knots)
        along = np.concatenate([[0.0], np.cumsum(middle)])
        found = np.interp(np.linspace(0, along[-1], steps + 1), along, self.knots)
        found[0], found[-1] = 0.0, 1.0
        return found


def tuned(course: Course, x: Tensor) -> Pilot:
    """Walk the path once with few positions, tuning the steps of every case on the way."""
    knots = fixed_positions("sigmoid", _POSITIONS)
    log_step = torch.full((course.count,), float(np.log(_FIRST)), dtype=x.dtype, device=x.device)
    logs, speeds = [], []
    for s in knots:
        for number in range(_TRIES):
            x, accept = course.move(x, float(s), log_step.exp())
            rate = accept.reshape(-1, course.count).mean(0)
            log_step = log_step + (rate - _ACCEPT) / (1 + number / 2)
        logs.append(log_step)
        slopes = course.slope(x).reshape(-1, course.count)
        spread = torch.nan_to_num(slopes.var(0), posinf=0.0)
        speeds.append(float(spread.mean().sqrt()))
    return Pilot(knots, torch.stack(logs), np.array(speeds))
