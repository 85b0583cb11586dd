"""What a run cost, and what it yielded: seconds, gradients, effective draws.

Everything that is done for the draws is charged, by the clock: starting points, warm-up,
adaptation, setting up. Compiling the model's density is apart: it is paid once, whatever the
number of runs. Effective sample sizes
are ArviZ's (Vehtari et al. 2021), from the verdict's own table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["ENOUGH", "Costs", "Yield", "costs_of", "yield_of"]

ENOUGH = 400.0  # effective draws of the worst scalar: the mean known to a twentieth of its sd


@dataclass(frozen=True)
class Costs:
    """Seconds and gradient evaluations of one run; NaN where it does not say.

    Attributes
    ----------
    compile: seconds of tracing and compiling the density.
    warmup, sampling: seconds before and of the draws, all chains together (wall time).
    total: seconds of the whole call, results made ready, compiling included.
    gradients_warmup, gradients: evaluations of the gradient, all chains together.

    """

    compile: float
    warmup: float
    sampling: float
    total: float
    gradients_warmup: float
    gradients: float

    @property
    def seconds(self) -> float:
        """Warm-up and sampling together."""
        return self.warmup + self.sampling

    @property
    def all_gradients(self) -> float:
        """Evaluations in warm-up and sampling together."""
        return self.gradients_warmup + self.gradients

    def after(self, share: float) -> tuple[float, float]:
        """Seconds and gradients when such a share of the draws was made, warm-up charged."""
        return (
            self.warmup + share * self.sampling,
            self.gradients_warmup + share * self.gradients,
        )


@dataclass(frozen=True)
class Yield:
    """Effective draws (bulk and tail; worst and median scalar) and the worst R-hat."""

    bulk_worst: float
    bulk_median: float
    tail_worst: float
    tail_median: float
    r_hat: float

    @property
    def worst(self) -> float:
        """The smaller of the worst bulk and the worst tail ESS; NaN where there is none."""
        return float(np.fmin(self.bulk_worst, self.tail_worst))


def costs_of(tree: xr.DataTree, total: float) -> Costs:
    """Costs of a run whose call took `total` seconds, from the attributes of its result.

    What a method took beyond the seconds that it reports for its draws is warm-up. Where neither
    is known, it is charged the whole call, compiling apart.
    """
    attrs = tree.attrs
    compiled = _sum(attrs, "seconds_trace", "seconds_compile", missing=0.0)
    sampling = _number(attrs, "seconds_sampling")
    if "seconds_inference" in attrs:  # networks: wall time of the engine, its set-up included
        whole = _number(attrs, "seconds_inference")
        sampling = min(sampling, whole) if math.isfinite(sampling) else 0.0
        warmup = whole - sampling
    elif "seconds_method" in attrs:  # programs: wall time of the method
        start, whole = _number(attrs, "seconds_start"), _number(attrs, "seconds_method")
        told = _sum(attrs, "seconds_warmup", missing=0.0)
        sampling = sampling if math.isfinite(sampling) else max(whole - told, 0.0)
        warmup = max(told, whole - sampling) + start
    elif math.isfinite(sampling):
        warmup = _sum(attrs, "seconds_warmup", missing=0.0)
    else:
        warmup, sampling = 0.0, max(total - compiled, 0.0)
    gradients = _number(attrs, "gradient_evaluations")
    before = _sum(attrs, "gradient_evaluations_warmup", missing=0.0)
    return Costs(
        compile=compiled,
        warmup=warmup,
        sampling=sampling,
        total=total,
        gradients_warmup=before if math.isfinite(gradients) else math.nan,
        gradients=gradients,
    )


def yield_of(table: pd.DataFrame) -> Yield:
    """Effective draws from the table of a verdict, of programs or of networks."""
    bulk = table["ess_bulk"] if "ess_bulk" in table else table["ess"]
    tail = table["ess_tail"] if "ess_tail" in table else table["ess"]
    return Yield(
        bulk_worst=float(bulk.min()),
        bulk_median=float(bulk.median()),
        tail_worst=float(tail.min()),
        tail_median=float(tail.median()),
        r_hat=float(table["r_hat"].max()),
    )


def _number(attrs: Mapping[Any, Any], name: str) -> float:
    value = attrs.get(name)
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value)
    return math.nan


def _sum(attrs: Mapping[Any, Any], *names: str, missing: float) -> float:
    found = [_number(attrs, name) for name in names]
    return sum(value if math.isfinite(value) else missing for value in found)
