"""The few directions in which a diagonal metric is wrong; the twin of `native/directions.hpp`.

For a Gaussian of covariance S the sum of scaled position and gradient, x + g = (I - S^-1) x,
spans exactly those directions, however few the draws. Within them S is the geometric mean of
cov(x) and the inverse of cov(g), the least Fisher divergence (Seyboldt, Carlson & Carpenter 2026).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.inference.adapt.settings import Settings

__all__ = ["Directions", "direction_rows", "find_directions"]

SMALL = 16
"""Up to so many coordinates, all directions are looked at."""


@dataclass(frozen=True)
class Directions:
    """Orthonormal rows `vectors` with eigenvalues `values`; `bulk` scales all the rest."""

    vectors: np.ndarray
    values: np.ndarray
    bulk: float


def direction_rows(settings: Settings, dim: int) -> int:
    """Most directions that a metric of `dim` coordinates has."""
    if settings.max_directions == 0:
        return 0
    return dim if dim <= SMALL else int(settings.max_directions)


def find_directions(
    positions: np.ndarray, gradients: np.ndarray, scale: np.ndarray, settings: Settings
) -> Directions:
    """Directions from draws (draw, dim) in coordinates scaled by `scale`.

    Those whose eigenvalue lies between 1/cutoff and cutoff are left to the diagonal.
    """
    x = (positions - positions.mean(0)) / scale
    g = (gradients - gradients.mean(0)) * scale
    bulk = _balance(x, g)
    x, g = x / bulk, g * bulk
    cutoff = settings.cutoff
    basis = _leading(x + g, settings.max_directions, cutoff)
    prior = settings.prior_directions
    inside_x, inside_g = _second_moment(x @ basis.T, prior), _second_moment(g @ basis.T, prior)
    values, axes = np.linalg.eigh(_geometric_mean(inside_x, inside_g))
    vectors = axes.T @ basis
    if len(basis) < x.shape[1]:
        rest = _balance(x - x @ basis.T @ basis, g - g @ basis.T @ basis)
        bulk, values = bulk * rest, values / rest**2
    outside = (values > cutoff) | (values < 1 / cutoff)
    outside &= (values > 1e-12) & (values < 1e12)
    return Directions(vectors[outside], values[outside], bulk)


def _balance(x: np.ndarray, g: np.ndarray) -> float:
    """Scale of the positions against that of the gradients."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sum(x * x) / np.sum(g * g)
    return float(ratio**0.25) if 1e-20 < ratio < 1e20 else 1.0


def _leading(d: np.ndarray, most: int, cutoff: float) -> np.ndarray:
    """Principal axes of d whose second moment is that of an eigenvalue at the cutoff or more."""
    count, dim = d.shape
    most = dim if dim <= SMALL else min(most, count // 3)
    _, singular, axes = np.linalg.svd(d, full_matrices=False)
    least = cutoff + 1 / cutoff - 2
    return axes[:most][singular[:most] ** 2 / count >= least]


def _second_moment(along: np.ndarray, prior: float) -> np.ndarray:
    """Second moment of rows, shrunk to the identity by `prior` draws' worth."""
    count, rank = along.shape
    return (along.T @ along + prior * np.eye(rank)) / (count + prior)


def _geometric_mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The positive S with S b S = a."""
    root_b = _mapped(b, np.sqrt)
    inverse = _mapped(b, lambda value: 1 / np.sqrt(value))
    return inverse @ _mapped(root_b @ a @ root_b, np.sqrt) @ inverse


def _mapped(matrix: np.ndarray, function) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * function(np.maximum(values, 1e-300))) @ vectors.T
