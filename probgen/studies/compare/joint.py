"""Distances between joint distributions of draws: sliced Wasserstein and MMD.

Marginals can be right where correlations are wrong. Draws are put on the scale of the reference
(mean 0, sd 1) first. Sliced Wasserstein distance: mean over random directions of the
1-Wasserstein distance of the projections (Rabin, Peyré, Delon and Bernot 2012), in reference
sds. MMD: maximum mean discrepancy with a Gaussian kernel whose width is the median distance
(Gretton et al. 2012), the biased estimate's root. Both are above zero even between two samples
of one distribution: `floors` says by how much here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.diagnose.metrics.distances import median_squared_distance, squared_distances
from probgen.diagnose.metrics.sliced import along_directions
from probgen.studies.compare.estimates import Scalars
from probgen.studies.reference import Reference, thinned

__all__ = ["JointDistance", "floors", "joint_distance"]

_DIRECTIONS = 256
_MOST_OF_KERNEL = 1000  # draws of each side: the kernel is quadratic in them
_SPLITS = 4
_SEED = 20


@dataclass(frozen=True)
class JointDistance:
    """Distances of draws from the reference's draws."""

    sliced_wasserstein: float
    mmd: float


def joint_distance(scalars: Scalars, reference: Reference) -> JointDistance | None:
    """Distance of the joint draws of the common scalars; None when either side has none."""
    if reference.draws is None or len(reference.draws) < 2:
        return None
    names = scalars.places if reference.by_position else scalars.names
    where = {name: row for row, name in enumerate(reference.drawn)}
    pairs = [(row, where[name]) for row, name in enumerate(names) if name in where]
    if not pairs:
        return None
    ours, theirs = np.array(pairs).T
    draws = scalars.values[ours].reshape(len(ours), -1).T
    draws = thinned(draws[np.isfinite(draws).all(axis=1)], 4 * len(reference.draws))
    known = reference.draws[:, theirs]
    scale = known.std(axis=0)
    moving = scale > 0
    if not moving.any() or len(draws) < 2:
        return None
    centre = known.mean(axis=0)[moving]
    return _between(
        (draws[:, moving] - centre) / scale[moving], (known[:, moving] - centre) / scale[moving]
    )


def floors(reference: Reference) -> JointDistance | None:
    """What two samples of the reference's own distribution are apart; None without draws.

    One half of the draws against the other, scaled down to as many draws as are compared of a
    method (both distances fall as the root of the number of draws).
    """
    if reference.draws is None or len(reference.draws) < 4:
        return None
    scale = reference.draws.std(axis=0)
    z = (reference.draws - reference.draws.mean(axis=0))[:, scale > 0] / scale[scale > 0]
    rng = np.random.default_rng(_SEED)
    orders = [rng.permutation(len(z)) for _ in range(_SPLITS)]
    halves = [_between(z[order[::2]], z[order[1::2]]) for order in orders]
    half, whole = len(z) / 2, len(z)
    of_kernel = min(half, _MOST_OF_KERNEL) / min(whole, _MOST_OF_KERNEL)
    return JointDistance(
        float(np.mean([each.sliced_wasserstein for each in halves])) / 2**0.5,
        float(np.mean([each.mmd for each in halves])) * of_kernel**0.5,
    )


def _between(x: np.ndarray, y: np.ndarray) -> JointDistance:
    # the same directions for every method
    sliced = along_directions(x, y, _DIRECTIONS, _SEED).mean()
    return JointDistance(
        float(sliced), _mmd(thinned(x, _MOST_OF_KERNEL), thinned(y, _MOST_OF_KERNEL))
    )


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
    width = median_squared_distance(y)
    kernels = [
        np.exp(-squared_distances(*each) / width).mean() for each in ((x, x), (y, y), (x, y))
    ]
    return float(max(kernels[0] + kernels[1] - 2 * kernels[2], 0.0) ** 0.5)
