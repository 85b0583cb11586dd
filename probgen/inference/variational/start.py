"""Where a guide starts: at the best normal of Pathfinder (Zhang et al. 2022) and Laplace.

Guides live in its coordinates, in which a posterior near that normal is standard normal, and
training only adds what the normal lacks.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from probgen.errors import InitialisationError, SamplingError
from probgen.inference.laplace import find_peak
from probgen.inference.method import DensityLike
from probgen.inference.optimise.normal import LowRankNormal, Normal
from probgen.inference.optimise.objective import Objective
from probgen.inference.optimise.paths import find_path

__all__ = ["Start", "find_start", "plain_start"]

_PATHS = 4
_PAIRS, _BOUND_DRAWS, _ITERATIONS = 6, 10, 1000
_JUDGED = 100
"""Draws behind the bounds by which normals are compared."""
_HESSIAN, _LARGEST = 200, 1000
"""Coordinates up to which curvature at a mode is looked at (2 dim gradients), and up to which
covariances are used; beyond, scales alone."""
_APART = 3.0
"""Standard deviations between paths' ends that count as different places."""
_SMALL = 0.1
"""Scale around a starting point from which no path leads anywhere."""


@dataclass(frozen=True)
class Start:
    """A normal distribution to start from, with other places of mass."""

    centre: Tensor
    """(dim,)"""
    factor: Tensor
    """Scales (dim,), or a Cholesky factor of the covariance (dim, dim)."""
    conditional_scale: Tensor
    """Standard deviations (dim,) of every coordinate given all others."""
    others: list[Tensor] = field(default_factory=list)
    """Means of the normals of other paths."""
    evaluations: int = 0

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.centre)

    def places(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Whitened places (count, dim): the ends of different paths, then draws around 0."""
        found = [torch.zeros(self.dim, dtype=torch.float64)]
        for other in self.others:
            place = self._whitened(other)
            if min(float((place - known).norm()) for known in found) > _APART:
                found.append(place)
        while len(found) < count:
            around = found[len(found) % len(found[: 1 + len(self.others)])]
            draw = torch.randn(self.dim, generator=generator, dtype=torch.float64)
            found.append(around + 0.5 * draw)
        return torch.stack(found[:count])

    def loadings(self, ranks: int, generator: torch.Generator | None) -> Tensor:
        """B (dim, ranks): its normal is about that of I + B B^T in units of conditional scales.

        The leading directions in which it is wider than these; small ones at random if none are.
        """
        small = torch.randn(self.dim, ranks, generator=generator, dtype=torch.float64)
        small *= 0.1 / self.dim**0.5
        if self.factor.dim() == 1:
            return small
        basis, widths, _ = torch.linalg.svd(self.factor / self.conditional_scale[:, None])
        return small + basis[:, :ranks] * (widths[:ranks] ** 2 - 1).clamp(min=0).sqrt()

    def _whitened(self, place: Tensor) -> Tensor:
        centred = place - self.centre
        if self.factor.dim() == 1:
            return centred / self.factor
        return torch.linalg.solve_triangular(self.factor, centred[:, None], upper=False)[:, 0]


def find_start(density: DensityLike, initial: np.ndarray, seed: int) -> Start:
    """The normal of the largest evidence lower bound among those of the paths from rows of
    `initial`, and that of the curvature at the best path's end.

    Raises `InitialisationError` when no row has a finite density.
    """
    objective = Objective(density)
    with np.errstate(all="ignore"):
        places = [place for place in map(objective, initial[:_PATHS]) if place.finite]
        if not places:
            raise InitialisationError(
                "No starting point has a finite log density and gradient. Give other starting "
                "values (init), or run `check` on the model."
            )
        paths = [
            find_path(
                objective, place.position, _stream(seed, row), pairs=_PAIRS,
                bound_draws=_BOUND_DRAWS, iterations=_ITERATIONS,
            )
            for row, place in enumerate(places)
        ]  # fmt: skip
        normals: list[Normal] = [path.normal for path in paths if path.normal is not None]
        evaluations = 0
        if density.dim <= _HESSIAN:
            end = max((path.end for path in paths), key=lambda end: end.value)
            with suppress(SamplingError, InitialisationError):
                peak = find_peak(density, end.position[None], _ITERATIONS)
                normals += [] if peak.flat else [peak.normal]
                evaluations = peak.evaluations
        bounds = [_bound(objective, normal, _stream(seed, -1)) for normal in normals]
    evaluations += objective.evaluations
    order = [i for i in np.argsort(bounds)[::-1] if np.isfinite(bounds[i])]
    if not order:
        best = max(places, key=lambda place: place.value)
        return plain_start(best.position, evaluations)
    return _of_normals([normals[i] for i in order], evaluations)


def _stream(seed: int, path: int) -> np.random.Generator:
    return np.random.default_rng([seed % 2**64, path + 1, 0x5A1])


def _bound(objective: Objective, normal: Normal, rng: np.random.Generator) -> float:
    """The evidence lower bound of a normal, nats, with the same noise for all."""
    x = normal.coloured(rng.standard_normal((_JUDGED, normal.mean.size)))
    return float(np.mean(objective.values(x) - normal.log_density(x)))


def plain_start(place: np.ndarray, evaluations: int = 0) -> Start:
    """A narrow normal around `place`."""
    centre = torch.from_numpy(np.array(place, dtype=np.float64))
    scale = torch.full_like(centre, _SMALL)
    return Start(centre, scale, scale, evaluations=evaluations)


def _of_normals(normals: list[Normal], evaluations: int) -> Start:
    best, dim = normals[0], normals[0].mean.size
    factor, conditional = _shape(best) if dim <= _LARGEST else (None, None)
    if factor is None or conditional is None:
        scale = best.scale if isinstance(best, LowRankNormal) else np.ones(dim)
        factor = conditional = scale
    mean, shape, given = (torch.from_numpy(np.array(a)) for a in (best.mean, factor, conditional))
    others = [torch.from_numpy(normal.mean.copy()) for normal in normals[1:]]
    return Start(mean, shape, given, others, evaluations)


def _shape(normal: Normal) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Cholesky factor of its covariance, and deviations of coordinates given all others."""
    root = normal.coloured(np.eye(normal.mean.size)) - normal.mean  # covariance root^T root
    triangle = np.asarray(np.linalg.qr(root, mode="r")).T
    triangle = triangle * np.sign(np.diag(triangle))
    try:
        precision = (np.linalg.inv(triangle) ** 2).sum(0)
    except np.linalg.LinAlgError:
        return None, None
    conditional = precision**-0.5
    fine = np.isfinite(triangle).all() and np.isfinite(conditional).all() and conditional.all()
    return (triangle, conditional) if fine else (None, None)
