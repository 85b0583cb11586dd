"""Squared distances between rows, in blocks, so that the whole matrix is never held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["blocks", "kth_nearest", "median_squared_distance", "squared_distances"]

_ENTRIES = 8_000_000  # of a block: 64 MB in float64


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of so many rows that a block of them by `width` fits in memory."""
    step = max(1, _ENTRIES // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, (row of x, row of y)."""
    found = x @ y.T
    found *= -2.0
    found += np.einsum("ij,ij->i", x, x)[:, None]
    found += np.einsum("ij,ij->i", y, y)[None]
    return np.maximum(found, 0.0, out=found)


def kth_nearest(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each row to the k-th nearest other row."""
    found = np.empty(len(x))
    for rows in blocks(len(x), len(x)):
        distances = squared_distances(x[rows], x)
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = -1.0  # itself
        distances.partition(k, axis=1)
        found[rows] = distances[:, k]
    return found


def median_squared_distance(x: np.ndarray) -> float:
    """The median over pairs of rows; 1 where it is zero."""
    return float(np.median(squared_distances(x, x)[np.triu_indices(len(x), 1)])) or 1.0
