"""How strongly the variables of a network hold each other: Dobrushin's coefficients, summed.

The conditional law of a variable changes, in total variation, by at most tanh(d / 4) when its
neighbours in a factor change, d being the largest change of a difference of log table entries
along its axis. Where these sum to less than one for every variable, single-site Gibbs mixes in
O(n log n) updates (Dobrushin 1968; Levin & Peres 2017, ch. 14); well beyond, chains get stuck.
"""

from __future__ import annotations

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["influences"]


def influences(factors: Factors) -> np.ndarray:
    """Of each free variable, the summed bound on what its neighbours do to it; (n,), >= 0."""
    total = np.zeros(len(factors.free))
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        if len(scope) < 2:
            continue
        for axis, variable in enumerate(scope):
            total[variable] += _influence(
                np.moveaxis(table, axis, 0).reshape(table.shape[axis], -1)
            )
    return total


def _influence(rows: np.ndarray) -> float:
    """tanh(d / 4) for a table with the variable first; 1 where zeros come and go."""
    largest = 0.0
    for k in range(1, len(rows)):
        with np.errstate(invalid="ignore"):
            differences = rows[k:] - rows[:-k]
        differences = np.where(np.isnan(differences), 0.0, differences)  # impossible either way
        with np.errstate(invalid="ignore"):
            span = np.ptp(differences, axis=1).max()
        largest = max(largest, np.inf if np.isnan(span) else float(span))
    return float(np.tanh(largest / 4))
