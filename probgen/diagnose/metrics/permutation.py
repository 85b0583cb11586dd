"""Two-sample statistics of a kernel, and their law when the two sides are one.

MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y), unbiased: no row is held against itself (Gretton et
al. 2012). With k(x, y) = -|x - y| it is the energy distance (Székely and Rizzo 2013). Rows are
dealt to the sides anew for the p-value, all of the deals in one pass over blocks of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probgen.diagnose.metrics.distances import blocks

__all__ = ["Kernel", "permuted", "unbiased"]

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]


def permuted(
    kernel: Kernel, x: np.ndarray, y: np.ndarray, own: float, deals: int, seed: int
) -> tuple[float, float | None]:
    """The statistic, and the share of deals at which it is as large; None without deals.

    `own` is the kernel of a row and itself.
    """
    rows, n, m = np.concatenate([x, y]), len(x), len(y)
    rng = np.random.default_rng(seed)
    first = np.zeros((n + m, deals + 1))
    first[:n, 0] = 1.0
    for deal in range(1, deals + 1):
        first[rng.permutation(n + m)[:n], deal] = 1.0
    within_x, across, whole = np.zeros(deals + 1), np.zeros(deals + 1), 0.0
    for part in blocks(n + m, n + m):
        values = kernel(rows[part], rows)
        to_first = values @ first
        within_x += (first[part] * to_first).sum(axis=0)
        across += ((1 - first[part]) * to_first).sum(axis=0)
        whole += values.sum()
    within_y = whole - within_x - 2 * across
    found = (within_x - n * own) / (n * (n - 1)) + (within_y - m * own) / (m * (m - 1))
    found -= 2 * across / (n * m)
    if not deals:
        return float(found[0]), None
    return float(found[0]), float((1 + (found[1:] >= found[0]).sum()) / (1 + deals))


def unbiased(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    """MMD^2 of any kernel, without a p-value."""
    n, m = len(x), len(y)
    within = sum(_without_diagonal(kernel, side) for side in (x, y))
    across = sum(kernel(x[rows], y).sum() for rows in blocks(n, m))
    return float(within - 2 * across / (n * m))


def _without_diagonal(kernel: Kernel, x: np.ndarray) -> float:
    """The mean of the kernel over pairs of different rows."""
    total = 0.0
    for rows in blocks(len(x), len(x)):
        values = kernel(x[rows], x)
        total += values.sum() - np.trace(values, offset=rows.start)
    return total / (len(x) * (len(x) - 1))
