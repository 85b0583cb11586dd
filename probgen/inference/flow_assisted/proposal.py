"""A flow fitted to points by maximum likelihood: the proposal of an independence sampler."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, optim

from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.guides.whitened import Whitened
from probgen.inference.variational.start import Start
from probgen.inference.variational.svi import SVI

__all__ = ["fit_to_points", "proposal_for"]

BATCH = 256
RATE = 5e-3
HELD_OUT = 0.2
"""Share of the points that judge the flow and teach it nothing."""
LOOK_EVERY = 20
PATIENCE = 5
"""Looks without a better flow after which training ends."""
_LARGEST = 1000
_CLIP = 10.0


def proposal_for(method: SVI, points: Tensor, seed: int) -> Whitened:
    """The flow that `method` names; it begins as the normal of mean and covariance of `points`."""
    scale = points.std(0) if len(points) > 1 else torch.ones_like(points[0])
    scale = torch.where(torch.isfinite(scale) & (scale > 0), scale, 1.0)
    return make_guide(method, Start(points.mean(0), _factor(points, scale), scale), seed)


def _factor(points: Tensor, scale: Tensor) -> Tensor:
    """A Cholesky factor of the covariance, or scales where there are too few points for one."""
    count, dim = points.shape
    if dim > _LARGEST or count < 2 * dim + 2:
        return scale
    factor, failed = torch.linalg.cholesky_ex(torch.atleast_2d(torch.cov(points.T)))
    return scale if failed or not torch.isfinite(factor).all() else factor


def fit_to_points(
    guide: Whitened, points: Tensor, steps: int, generator: torch.Generator
) -> tuple[float, int]:
    """Raise the mean log density of the guide at `points` (n, dim), by at most `steps` of Adam.

    The weights of the best mean log density at held-out points are kept. Returns that, in nats,
    and the steps made; a guide that is never finite there is left as it was, at -inf.
    """
    order = torch.randperm(len(points), generator=generator)
    points = points[order]
    held = max(1, int(HELD_OUT * len(points)))
    judges, pupils = points[:held], points[held:] if len(points) > held else points
    optimiser = optim.Adam([p for p in guide.parameters() if p.requires_grad], lr=RATE)
    best, kept, without = _level(guide, judges), _copy(guide), 0
    for step in range(steps):
        rows = torch.randint(len(pupils), (min(BATCH, len(pupils)),), generator=generator)
        loss = -guide.log_prob(pupils[rows]).mean()
        if not torch.isfinite(loss):
            break
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(guide.parameters(), _CLIP)
        for group in optimiser.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.step()
        if (step + 1) % LOOK_EVERY and step + 1 < steps:
            continue
        level = _level(guide, judges)
        without = 0 if level > best else without + 1
        if level > best:
            best, kept = level, _copy(guide)
        elif without >= PATIENCE:
            break
    guide.load_state_dict(kept)
    return best, step + 1 if steps else 0


@torch.no_grad()
def _level(guide: Whitened, points: Tensor) -> float:
    level = float(guide.log_prob(points).mean())
    return level if math.isfinite(level) else -math.inf


def _copy(guide: Whitened) -> dict[str, Tensor]:
    return copy.deepcopy(guide.state_dict())
