"""What warm-up has learnt, as arrays with one row per chain that a later run can go on from.

All chains share a metric, and a metric has few directions: row c of `directions` holds direction
c, so that thousands of chains do not store it thousands of times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from probgen.errors import OptionError
from probgen.inference.batched.metric import Metric
from probgen.inference.method import Plan

__all__ = ["checked", "restored_metric", "rows_of"]

_VECTORS = ("position", "scale", "directions")
_NUMBERS = ("step_size", "trajectory_length", "eigenvalues", "runs")


def rows_of(
    position: np.ndarray, metric: Metric, step: float, length: float, runs: int
) -> dict[str, np.ndarray]:
    """Arrays for `Draws.adaptation`; `position` is (chain, dim)."""
    chains, dim = position.shape
    kept = min(chains, len(metric.longer))
    directions, eigenvalues = np.zeros((chains, dim)), np.zeros(chains)
    directions[:kept] = metric.directions[:kept].numpy(force=True)
    eigenvalues[:kept] = (1 + metric.longer[:kept]).square().numpy(force=True)
    return {
        "position": position,
        "step_size": np.full(chains, step),
        "trajectory_length": np.full(chains, length),
        "scale": np.tile(metric.scale.numpy(force=True), (chains, 1)),
        "directions": directions,
        "eigenvalues": eigenvalues,
        "runs": np.full(chains, runs),
    }


def restored_metric(learnt: Mapping[str, np.ndarray], like: torch.Tensor) -> Metric:
    """The metric in such arrays, on the device of `like`; repeated rows count once."""
    values, vectors = learnt["eigenvalues"], learnt["directions"]
    used = np.unique(values[values > 0], return_index=True)[1]
    rows = np.flatnonzero(values > 0)[used]
    return Metric(
        torch.as_tensor(learnt["scale"][0]).to(like),
        torch.as_tensor(vectors[rows]).to(like),
        torch.as_tensor(np.sqrt(values[rows]) - 1).to(like),
    )


def checked(plan: Plan, dim: int) -> Mapping[str, np.ndarray] | None:
    """What `plan` brings along; raises `OptionError` when it is not of this method and model."""
    given = plan.adaptation
    if given is None:
        return None
    for name in (*_VECTORS, *_NUMBERS):
        wanted = (plan.chains, dim) if name in _VECTORS else (plan.chains,)
        if name not in given or np.shape(given[name]) != wanted:
            raise OptionError(
                f"adapted: what that run learnt ({', '.join(sorted(given))}) does not fit "
                f"ChEES, which needs {name!r} of shape {wanted}."
            )
    for name in ("step_size", "trajectory_length", "scale"):
        values = given[name]
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise OptionError(f"adapted: {name!r} in it is no positive number.")
    return given
