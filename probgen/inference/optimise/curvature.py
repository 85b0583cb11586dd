"""What L-BFGS knows of the curvature: a diagonal and the latest steps with their changes of slope.

The inverse of the negative Hessian is estimated from steps s and gradient changes z = g - g' of
the latest iterations by the BFGS recursion (Nocedal 1980) on top of a diagonal that is itself
updated at every step (Gilbert & Lemarechal 1989, equation 4.9); Zhang, Carpenter, Gelman &
Vehtari (2022, JMLR 23), algorithm 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Curvature"]

LARGEST_RATIO = 1e12
"""Steps whose gradient change is this much larger than the curvature along them are left out."""


@dataclass(frozen=True)
class Curvature:
    """An estimate of the inverse negative Hessian of a log density.

    `diagonal` (dim,) is its starting point, `steps` and `changes` (pair, dim) the latest steps
    and the falls of the gradient over them, oldest first.
    """

    diagonal: np.ndarray
    steps: np.ndarray
    changes: np.ndarray

    @classmethod
    def unknown(cls, dim: int) -> Curvature:
        """The identity."""
        return cls(np.ones(dim), np.empty((0, dim)), np.empty((0, dim)))

    @property
    def pairs(self) -> int:
        """How many steps it rests on."""
        return len(self.steps)

    def learn(self, step: np.ndarray, change: np.ndarray, most: int) -> Curvature:
        """With one more step, the latest `most` kept; one that is not concave changes nothing."""
        along = float(step @ change)
        if not (along > 0 and float(change @ change) < LARGEST_RATIO * along):
            return self
        diagonal = _updated(self.diagonal, step, change, along)
        if not (np.isfinite(diagonal).all() and (diagonal > 0).all()):
            diagonal = self.diagonal
        return Curvature(
            diagonal,
            np.vstack([self.steps, step])[-most:],
            np.vstack([self.changes, change])[-most:],
        )

    def times(self, vector: np.ndarray) -> np.ndarray:
        """The estimate applied to `vector`, by the two-loop recursion."""
        result, weights = vector.copy(), []
        pairs = list(zip(self.steps, self.changes, strict=True))
        for step, change in reversed(pairs):
            weight = (step @ result) / (step @ change)
            weights.append(weight)
            result -= weight * change
        result *= self.diagonal
        for (step, change), weight in zip(pairs, reversed(weights), strict=True):
            result += (weight - (change @ result) / (step @ change)) * step
        return result

    def low_rank(self) -> tuple[np.ndarray, np.ndarray]:
        """Factors b (dim, 2 pairs) and c (symmetric): diag(diagonal) + b c b^T is the estimate.

        The compact form of Byrd, Nocedal & Schnabel (1994, theorem 2.2).
        """
        s, z = self.steps.T, self.changes.T
        count = self.pairs
        scaled = self.diagonal[:, None] * z
        products = s.T @ z
        inverse = np.linalg.inv(np.triu(products)) if count else np.empty((0, 0))
        corner = inverse.T @ (np.diag(np.diag(products)) + z.T @ scaled) @ inverse
        middle = np.block([[np.zeros((count, count)), -inverse], [-inverse.T, corner]])
        return np.hstack([scaled, s]), middle


def _updated(
    diagonal: np.ndarray, step: np.ndarray, change: np.ndarray, along: float
) -> np.ndarray:
    across = float(change @ (diagonal * change))
    over = step / diagonal
    inner = float(step @ over)
    with np.errstate(all="ignore"):
        inverse = across / (along * diagonal) + change**2 / along
        return 1.0 / (inverse - across * over**2 / (along * inner))
