"""Normals on a ring, of different weights: the classic of several modes.

Source: after Gabrié, Rotskoff and Vanden-Eijnden (2022), "Adaptive Monte Carlo augmented with
normalizing flows", PNAS 119(10), which samples mixtures of this kind. Weights are in proportion to
1, 2, ..., and neighbours lie more than ten standard deviations apart, so that no local sampler
goes from one to the next: the weights of its modes are those of its starts.
There are no data: the prior is the target, and its moments are known exactly (`reference`).
"""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch

MODES, RADIUS, SCALE = 8, 6.0, 0.4


def weights(modes: int = MODES) -> torch.Tensor:
    """Probability of every mode, counter-clockwise from the right."""
    counts = torch.arange(1.0, modes + 1.0)
    return counts / counts.sum()


def centres(modes: int = MODES, radius: float = RADIUS) -> torch.Tensor:
    """Where the modes are (modes, 2)."""
    angles = 2.0 * math.pi * torch.arange(modes) / modes
    return radius * torch.stack([angles.cos(), angles.sin()], dim=1)


def ring_mixture(modes: int = MODES, radius: float = RADIUS, scale: float = SCALE) -> None:
    """`modes` normals of standard deviation `scale` on a ring of `radius`."""
    places = centres(modes, radius)
    scales = torch.full_like(places, scale)
    pyro.sample("x", dist.MixtureOfDiagNormals(places, scales, weights(modes).log()))


def _moments() -> dict[str, tuple[float, float, float, float]]:
    """Mean, its error, standard deviation, its error: exact."""
    share, centre = weights().double(), centres().double()
    mean = share @ centre
    sd = (SCALE**2 + share @ centre.square() - mean.square()).sqrt()
    return {f"x[{i + 1}]": (float(mean[i]), 0.0, float(sd[i]), 0.0) for i in range(2)}


reference = _moments()


def data() -> dict[str, int]:
    """Eight modes."""
    return {"modes": MODES}
