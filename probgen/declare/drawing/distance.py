"""The nearest points that keep their gaps: a quadratic programme with difference constraints."""

from __future__ import annotations

import numpy as np

__all__ = ["LeastDistance"]


class LeastDistance:
    """min 1/2 x' P x subject to gaps, by non-negative least squares (Lawson and Hanson 1974)."""

    def __init__(self, size: int) -> None:
        self.matrix = 1e-4 * np.eye(size)
        self.gaps: list[tuple[int, int, float]] = []

    def pull(self, a: int, b: int, weight: float) -> None:
        """Add weight * (x_a - x_b)^2."""
        self.matrix[a, a] += weight
        self.matrix[b, b] += weight
        self.matrix[a, b] -= weight
        self.matrix[b, a] -= weight

    def apart(self, a: int, b: int, gap: float) -> None:
        """Demand x_b - x_a >= gap."""
        self.gaps.append((a, b, gap))

    def solve(self) -> np.ndarray:
        """The minimum, (n,)."""
        from scipy.linalg import solve_triangular
        from scipy.optimize import nnls

        if not self.gaps:
            return np.zeros(len(self.matrix))
        needs = np.zeros((len(self.gaps), len(self.matrix)))
        for k, (a, b, _) in enumerate(self.gaps):
            needs[k, a], needs[k, b] = -1.0, 1.0
        root = np.linalg.cholesky(self.matrix)
        stacked = np.vstack(
            [solve_triangular(root, needs.T, lower=True), [gap for *_, gap in self.gaps]]
        )
        target = np.zeros(len(stacked))
        target[-1] = 1.0
        weights, _ = nnls(stacked, target, maxiter=20 * len(self.gaps))
        rest = stacked @ weights - target
        return solve_triangular(root.T, -rest[:-1] / rest[-1])
