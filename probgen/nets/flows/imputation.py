"""Draws of missing entries given the others, by Metropolis-Hastings over a joint density.

Two moves take turns. One draws all missing entries of a row anew from a Student t about the
conditional normal of a reference (mean and covariance of the model), which accepts almost always
where the model is near normal; the other walks at random with that conditional's shape, its step
tuned in the first half. Every draw is a chain of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Imputed", "Reference", "impute_rows"]

_DEGREES = 5.0  # of freedom of the proposal: heavier tails than the conditional
_WANTED = 0.3  # acceptance of the walk


@dataclass(frozen=True, eq=False)
class Imputed:
    """Completed rows.

    Attributes
    ----------
    draws: (draw, row, features); entries that were known are as they were.
    acceptance: of the moves of a row in the second half, (row,); 1 for rows without holes. Near
        0 the draws have not left where they began.

    """

    draws: Tensor
    acceptance: Tensor


class Reference:
    """A Student t for the missing entries of rows given the known ones.

    Args:
        mean, covariance: of the joint, (features,) and (features, features).
        y: rows, (..., features), whose known entries are used.
        missing: bool, of the same shape.

    """

    def __init__(self, mean: Tensor, covariance: Tensor, y: Tensor, missing: Tensor) -> None:
        size = len(mean)
        eye = torch.eye(size, dtype=y.dtype, device=y.device)
        ridge = 1e-6 * covariance.diagonal().mean()
        precision = torch.cholesky_inverse(torch.linalg.cholesky(covariance + ridge * eye))
        holes = missing.to(y.dtype)
        block = holes[..., :, None] * holes[..., None, :] * precision
        block = block + (1 - holes)[..., None] * eye
        self.factor = torch.linalg.cholesky(block)  # of the precision of what is missing
        known = (1 - holes) * (y.nan_to_num() - mean)
        pull = holes * (known @ precision)
        self.mean = mean - torch.cholesky_solve(pull[..., None], self.factor)[..., 0] * holes
        self.holes, self.count = holes, holes.sum(-1)

    def step(self, random: torch.Generator, shape: torch.Size) -> Tensor:
        """Normal steps of the conditional's covariance, 0 where nothing is missing."""
        noise = torch.randn(
            shape, generator=random, dtype=self.mean.dtype, device=self.mean.device
        )
        noise = (noise * self.holes)[..., None]
        factor = self.factor.mT.expand(*shape[:-1], -1, -1)
        return torch.linalg.solve_triangular(factor, noise, upper=True)[..., 0] * self.holes

    def draw(self, random: torch.Generator, shape: torch.Size) -> Tensor:
        """Values of missing entries (others: the mean), shape + ..."""
        gamma = torch.full(shape[:-1], _DEGREES / 2, dtype=self.mean.dtype)
        mixing = torch._standard_gamma(gamma, generator=random).to(self.mean.device)
        scale = (mixing / (_DEGREES / 2)).rsqrt()
        return self.mean + scale[..., None] * self.step(random, shape)

    def log_prob(self, y: Tensor) -> Tensor:
        """Log density of missing entries up to a constant of the row."""
        away = ((y - self.mean) * self.holes)[..., None]
        distance = (self.factor.mT @ away)[..., 0].square().sum(-1)
        return -(_DEGREES + self.count) / 2 * (distance / _DEGREES).log1p()


@torch.no_grad()
def impute_rows(
    log_density: Callable[[Tensor], Tensor],
    y: Tensor,
    mean: Tensor,
    covariance: Tensor,
    draws: int,
    steps: int,
    random: torch.Generator,
) -> Imputed:
    """Complete rows y, (row, features), NaN where missing; `log_density` takes (..., features).

    `mean` and `covariance` are those of the model, roughly.
    """
    missing = y.isnan()
    reference = Reference(mean, covariance, y, missing)
    shape = torch.Size((draws, *y.shape))
    known = y.nan_to_num().expand(shape)

    def fill(values: Tensor) -> Tensor:
        return torch.where(missing, values, known)

    state = fill(reference.draw(random, shape))
    density, proposal = log_density(state), reference.log_prob(state)
    width = 2.38 / reference.count.clamp(min=1).sqrt().expand(draws, -1).clone()
    accepted = torch.zeros_like(density)
    for number in range(steps):
        anew = number % 2 == 0
        if anew:
            trial = fill(reference.draw(random, shape))
        else:
            trial = state + width[..., None] * reference.step(random, shape)
        trial_density, trial_proposal = log_density(trial), reference.log_prob(trial)
        ratio = trial_density - density
        if anew:
            ratio = ratio + proposal - trial_proposal
        uniform = torch.rand(density.shape, generator=random, dtype=y.dtype).to(y.device)
        take = uniform.log() < ratio
        state = torch.where(take[..., None], trial, state)
        density = torch.where(take, trial_density, density)
        proposal = torch.where(take, trial_proposal, proposal)
        if number >= steps // 2:
            accepted += take
        elif not anew:
            width *= ((take.to(width.dtype) - _WANTED) / math.sqrt(1 + number)).exp()
    rate = (accepted / max(steps - steps // 2, 1)).mean(0)
    return Imputed(state, rate.where(missing.any(-1), 1.0))
