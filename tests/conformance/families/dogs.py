"""Dogs that learn to avoid a shock, and what each has met before every trial."""

from __future__ import annotations

import numpy as np


def histories(raw):
    """`y`: whether shocked, (dog, trial); counts of earlier avoidances and shocks."""
    y = np.asarray(raw["y"], dtype=np.float64)
    before = np.cumsum(y, axis=1) - y
    return {"y": y, "avoided": np.arange(y.shape[1]) - before, "shocked": before}


def later_trials(raw):
    """Without the first trial, where the probability of a shock is one whatever the parameters."""
    return {name: values[:, 1:] for name, values in histories(raw).items()}
