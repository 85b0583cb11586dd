"""One target, sampled: how it went, and how far from the reference it is."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

import probgen as pg
from tests.conformance.reference import Row, compare
from tests.conformance.target import Target

_AXES = {"chain_axis": -2, "draw_axis": -1}
RHAT_LIMIT = 1.01


@dataclass(frozen=True)
class Settings:
    """Sizes of a run; a target's own options win."""

    chains: int = 4
    draws: int = 2000
    warmup: int = 1000
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What the table prints of a target; `error` is the exception of a run that failed."""

    name: str
    seconds: float
    explained: str = ""
    error: str = ""
    dim: int = 0
    backend: str = ""
    seconds_compile: float = 0.0
    seconds_sampling: float = 0.0
    gradients: int = 0
    ess_bulk: float = 0.0
    ess_tail: float = 0.0
    rhat: float = float("inf")
    divergences: int = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def comparisons(self) -> int:
        """Number of z-scores."""
        return sum(len(row.reference) for row in self.rows)

    def worst(self, *statistics: str) -> tuple[float, str]:
        """The largest |z| of these statistics, and its parameter; (nan, "") without reference."""
        scores = [
            (abs(z), row.parameter)
            for row in self.rows
            for name, z in row.z_scores.items()
            if not statistics or name in statistics
        ]
        return max(scores, default=(float("nan"), ""))

    def verdict(self, bound: float) -> str:
        """`agrees`, `converged` or `explained` are passes; all else says what is wrong."""
        if self.error:
            return "ERROR"
        if self.backend == "eager":
            return "EAGER"
        if not self.rhat < RHAT_LIMIT:
            return "explained" if self.explained and not self.rows else "R-HAT"
        if not self.rows:
            return "converged"
        return "agrees" if self.worst()[0] < bound else "DISAGREES"

    def passes(self, bound: float) -> bool:
        return self.verdict(bound).islower()


def run(target: Target, settings: Settings) -> Outcome:
    """Sample and compare; an exception of the run becomes an outcome of its own."""
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the columns of the table tell
            tree = _infer(target, settings)
            rows = compare(tree, target.reference(), target.renamed)
        known = _convergence(tree, rows)
    except Exception as raised:
        seconds = time.perf_counter() - started
        return Outcome(target.name, seconds, error=f"{type(raised).__name__}: {raised}")
    seconds = time.perf_counter() - started
    return Outcome(target.name, seconds, target.explained, rows=rows, **_totals(tree), **known)


def _infer(target: Target, settings: Settings) -> xr.DataTree:
    options = {
        "chains": settings.chains,
        "draws": settings.draws,
        "warmup": settings.warmup,
        "log_likelihood": False,
        "progress": False,
        **target.options,
    }
    return pg.infer(target.program, data=target.data(), seed=settings.seed, **options)


def _totals(tree: xr.DataTree) -> dict[str, Any]:
    attrs = tree.attrs
    evaluations = attrs["gradient_evaluations"] + attrs["gradient_evaluations_warmup"]
    unconstrained = tree["unconstrained_posterior"].dataset
    return {
        "dim": sum(int(np.prod(v.shape[2:])) for v in unconstrained.data_vars.values()),
        "backend": attrs["backend"],
        "seconds_compile": attrs["seconds_trace"] + attrs["seconds_compile"],
        "seconds_sampling": attrs["seconds_warmup"] + attrs["seconds_sampling"],
        "gradients": int(np.sum(evaluations)),
        "divergences": int(tree["sample_stats"]["diverging"].sum()),
    }


def _convergence(tree: xr.DataTree, rows: list[Row]) -> dict[str, Any]:
    """The worst R-hat and effective sample sizes of all latent and all compared variables."""
    names = {str(name) for name in tree["unconstrained_posterior"].data_vars}
    names |= {row.variable for row in rows}
    draws = [tree["posterior"][name].to_numpy() for name in names]
    chains, count = draws[0].shape[:2]
    scalars = np.concatenate([d.reshape(chains, count, -1) for d in draws], axis=-1)
    scalars = np.moveaxis(scalars, -1, 0)
    scalars = scalars[np.ptp(scalars, axis=(1, 2)) > 0.0]  # not the zeros of a Cholesky factor
    tail = array_stats.ess(scalars, method="tail", prob=(0.05, 0.95), **_AXES)
    return {
        "rhat": float(np.max(array_stats.rhat(scalars, **_AXES))),
        "ess_bulk": float(np.min(array_stats.ess(scalars, method="bulk", **_AXES))),
        "ess_tail": float(np.min(tail)),
    }
