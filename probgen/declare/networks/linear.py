"""Log tables as potentials, for programs and formats that hold no logs."""

from __future__ import annotations

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import ModelError

__all__ = ["linear_table"]


def linear_table(network: Network, factor: Factor) -> np.ndarray:
    """exp of a factor's log table.

    Raises `ModelError` where float64 would make a finite potential infinite or a possible
    state impossible.
    """
    logs = factor.log_table
    with np.errstate(over="ignore", under="ignore"):
        table = np.exp(logs)
    lost = ~np.isfinite(table) | ((table == 0) & (logs > -np.inf))
    if lost.any():
        scope = ", ".join(str(network.names[v]) for v in factor.scope)
        raise ModelError(
            f"The factor over ({scope}) has the potential exp({logs[lost][0]:.6g}), which is "
            "beyond float64 when not in logs: shift its log table by a constant."
        )
    return table
