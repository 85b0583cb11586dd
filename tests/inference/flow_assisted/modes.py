"""Mixtures of normals with known weights: what tempering and flow proposals are for."""

from __future__ import annotations

import math

import numpy as np
import torch

import probgen as pg
from probgen.targets.reuse import density_of

TWO = ((0.7, (-4.0, -4.0), 0.5), (0.3, (5.0, 3.0), 1.0))
"""Weight, centre and standard deviation of every mode."""
MANY = tuple(
    ((k + 1) / 36, (6 * math.cos(k * math.pi / 4), 6 * math.sin(k * math.pi / 4)), 0.4)
    for k in range(8)
)


def density_with(modes):
    """The compiled, normalised density of a mixture."""
    weights, centres, scales = (torch.tensor(part).double() for part in zip(*modes, strict=True))

    def mixture(x):
        squares = ((x - centres) / scales[:, None]).square().sum(-1)
        terms = weights.log() - 2 * scales.log() - math.log(2 * math.pi) - 0.5 * squares
        return torch.logsumexp(terms, 0)

    return density_of(pg.density(mixture, {"x": 2}), {})[0]


def membership(draws: np.ndarray, modes) -> np.ndarray:
    """Which mode every draw (..., 2) is nearest to, as indicators (..., mode)."""
    centres = np.array([centre for _, centre, _ in modes])
    nearest = ((draws[..., None, :] - centres) ** 2).sum(-1).argmin(-1)
    return (nearest[..., None] == np.arange(len(modes))).astype(float)


def weights_of(modes) -> np.ndarray:
    return np.array([weight for weight, _, _ in modes])
