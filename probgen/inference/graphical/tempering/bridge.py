"""Ratios of normalising constants between neighbouring levels, from running sums.

The bridge estimator of Bennett (1976) and Meng & Wong (1996), with its constant fixed beforehand:
    Z_b / Z_a = exp(c) mean_a[f(w - c)] / mean_b[f(c - w)],   f(x) = 1 / (1 + exp(-x)),
where w is the log density of b less that of a. Any c is right; the best is the answer itself,
which warm-up gives nearly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from probgen.inference.graphical.pieces import each_chain

__all__ = ["Bridge", "bridge_constants"]


def _fermi(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def bridge_constants(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Log ratios solved for from log weights kept during warm-up, (levels - 1,).

    up: log density of level r + 1 less that of r, at states of level r: (iterations, levels - 1,
    chains); down: the same at states of level r + 1.
    """
    constants = np.zeros(up.shape[1])
    for pair in range(len(constants)):
        a, b = up[:, pair].ravel(), down[:, pair].ravel()
        finite = a[np.isfinite(a)]
        c = float(np.median(finite)) if finite.size else 0.0
        for _ in range(30):
            above, below = _fermi(a - c).mean(), _fermi(c - b).mean()
            if above == 0 or below == 0:
                break
            change = float(np.log(above / below))
            c += change
            if abs(change) < 1e-6:
                break
        constants[pair] = c
    return constants


class Bridge:
    """Running sums for the ratios of all neighbouring levels, apart for groups of draws."""

    def __init__(self, constants: np.ndarray, groups: int, chains: int):
        self._constants = constants
        shape = (groups, len(constants), chains)
        self._above, self._below = np.zeros(shape), np.zeros(shape)

    def add(self, group: int, up: np.ndarray, down: np.ndarray) -> None:
        """Log weights of one iteration, (levels - 1, chains) each; see `bridge_constants`."""
        c = self._constants[:, None]
        self._above[group] += _fermi(up - c)
        self._below[group] += _fermi(c - down)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that was summed, one row per chain, for `restore`; views."""
        return {
            "bridge_above": np.moveaxis(self._above, -1, 0),
            "bridge_below": np.moveaxis(self._below, -1, 0),
            "bridge_constants": each_chain(self._constants, self._above.shape[-1]),
        }

    def restore(self, arrays: Mapping[str, np.ndarray], longer: float) -> None:
        """Add what `arrays` held, from a run that has become so many times as long since."""
        for sums, name in ((self._above, "bridge_above"), (self._below, "bridge_below")):
            for group, values in enumerate(np.moveaxis(arrays[name], 0, -1)):
                sums[int(group / longer)] += values

    def log_evidence(self) -> tuple[float, float]:
        """Log of the ratio of the last level to the first, and its jackknife error, nats."""
        above = np.moveaxis(self._above, 1, -1).reshape(-1, len(self._constants))
        below = np.moveaxis(self._below, 1, -1).reshape(-1, len(self._constants))
        used = below.any(axis=1)
        above, below = above[used], below[used]
        whole = self._ratio(above.sum(axis=0), below.sum(axis=0))
        groups = len(above)
        if groups < 2:
            return float(whole), np.inf
        without = self._ratio(above.sum(axis=0) - above, below.sum(axis=0) - below)
        error = np.sqrt((groups - 1) / groups * np.square(without - without.mean()).sum())
        return float(whole), float(error)

    def _ratio(self, above: np.ndarray, below: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self._constants + np.log(above) - np.log(below)).sum(axis=-1))
