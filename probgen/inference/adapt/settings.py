"""Settings of the Hamiltonian samplers, defined once for both engines.

The structures mirror `native/settings.hpp` field by field (the library's sizes are compared when
it is loaded); the numpy engine reads the very same object.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = [
    "DENSE",
    "DIAGONAL",
    "HMC_ALGORITHM",
    "LOW_RANK",
    "METRICS",
    "NUTS_ALGORITHM",
    "STATISTICS",
    "Learnt",
    "Output",
    "Report",
    "Settings",
    "make_settings",
]

NUTS_ALGORITHM, HMC_ALGORITHM = 0, 1
DIAGONAL, DENSE, LOW_RANK = 0, 1, 2
METRICS = {"low_rank": LOW_RANK, "diag": DIAGONAL, "dense": DENSE}

# Columns of a row of statistics, and the type each is handed out as.
STATISTICS: dict[str, type] = {
    "lp": float,
    "energy": float,
    "step_size": float,
    "n_steps": int,
    "tree_depth": int,
    "acceptance_rate": float,
    "energy_error": float,
    "diverging": bool,
    "reached_max_depth": bool,
}


class Settings(ctypes.Structure):
    """All that a chain needs to know besides its density and start; see `settings.hpp`."""

    _fields_ = (
        ("algorithm", ctypes.c_int64),
        ("metric", ctypes.c_int64),
        ("dim", ctypes.c_int64),
        ("warmup", ctypes.c_int64),
        ("draws", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("max_tree_depth", ctypes.c_int64),
        ("num_steps", ctypes.c_int64),
        ("trajectory_length", ctypes.c_double),
        ("jitter", ctypes.c_double),
        ("target_accept", ctypes.c_double),
        ("max_energy_error", ctypes.c_double),
        ("step_size", ctypes.c_double),
        ("shrinkage", ctypes.c_double),
        ("offset", ctypes.c_double),
        ("forgetting", ctypes.c_double),
        ("overshoot", ctypes.c_double),
        ("final_fraction", ctypes.c_double),
        ("gradient_fraction", ctypes.c_double),
        ("young_fraction", ctypes.c_double),
        ("most_draws", ctypes.c_int64),
        ("first_update", ctypes.c_int64),
        ("growth", ctypes.c_double),
        ("longest_interval", ctypes.c_int64),
        ("prior_draws", ctypes.c_double),
        ("prior_directions", ctypes.c_double),
        ("max_directions", ctypes.c_int64),
        ("cutoff", ctypes.c_double),
        ("first_depth", ctypes.c_int64),
        ("full_every", ctypes.c_int64),
        ("drift_one", ctypes.c_double),
        ("drift_two", ctypes.c_double),
        ("thin", ctypes.c_int64),
        ("resume", ctypes.c_int64),
    )


class Learnt(ctypes.Structure):
    """What a chain has learnt: read when it goes on from an earlier run, written at its end."""

    _fields_ = (
        ("step_size", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("directions", ctypes.c_void_p),
        ("eigenvalues", ctypes.c_void_p),
        ("factor", ctypes.c_void_p),
        ("position", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
    )


class Output(ctypes.Structure):
    """Where a chain writes, from the first row on, what it draws in one go."""

    _fields_ = (
        ("draws", ctypes.c_void_p),
        ("stats", ctypes.c_void_p),
        ("warmup_draws", ctypes.c_void_p),
        ("warmup_stats", ctypes.c_void_p),
    )


class Report(ctypes.Structure):
    """What a chain says about itself while it runs."""

    _fields_ = (
        ("iterations", ctypes.c_int64),
        ("divergences", ctypes.c_int64),
        ("gradients_warmup", ctypes.c_int64),
        ("gradients_draws", ctypes.c_int64),
        ("seconds_warmup", ctypes.c_double),
        ("seconds_draws", ctypes.c_double),
        ("step_size", ctypes.c_double),
        ("directions", ctypes.c_int64),
    )


# Dual averaging as in Hoffman & Gelman (2014); windows and fractions were tuned on hierarchical,
# regression and time-series posteriors of 10 to 500 coordinates for effective draws per gradient.
_DEFAULTS: dict[str, Any] = {
    "algorithm": NUTS_ALGORITHM,
    "max_tree_depth": 10,
    "target_accept": 0.8,
    "max_energy_error": 1000.0,
    "shrinkage": 0.05,
    "offset": 10.0,
    "forgetting": 0.75,
    "overshoot": 10.0,
    "final_fraction": 0.15,
    "gradient_fraction": 0.5,
    "young_fraction": 0.75,
    "most_draws": 400,
    "first_update": 30,
    "growth": 2.0,
    "longest_interval": 200,
    "max_directions": 12,
    "cutoff": 1.5,
    "first_depth": 6,
    "full_every": 8,
    "drift_one": 2.0,
    "drift_two": 1.0,
    "thin": 1,
}

# Draws that shape the metric are kept in memory: with very many coordinates, fewer of them.
_LARGEST_HISTORY, _FEWEST_DRAWS = 2_000_000, 20

# Weight of the metric's prior, in draws: with few coordinates there is little noise to suppress,
# and a ridge of a regression needs its whole length.
_PRIOR_PER_COORDINATE, _LEAST_PRIOR, _MOST_PRIOR = 0.2, 1.0, 5.0


def make_settings(metric: str, **values: Any) -> Settings:
    """Settings with the defaults, the named metric and the given `values`."""
    dim = values.get("dim", 1)
    prior = min(max(_PRIOR_PER_COORDINATE * dim, _LEAST_PRIOR), _MOST_PRIOR)
    priors = {"prior_draws": prior, "prior_directions": prior}
    merged = {**_DEFAULTS, **priors, **values}
    fitting = max(_FEWEST_DRAWS, _LARGEST_HISTORY // max(1, dim))
    merged["most_draws"] = min(merged["most_draws"], fitting)
    if metric == "diag":
        merged["max_directions"] = 0
    return Settings(metric=METRICS[metric], **merged)
