"""Where NUTS and HMC meet: pick the engine, run the chains.

A density with a native function is sampled in native code, one thread per chain; any other, and
any machine without a compiler, takes the numpy engine: same algorithm, same adaptation.
"""

from __future__ import annotations

from typing import Any

from probgen.errors import BuildError, OptionError
from probgen.inference.adapt.settings import METRICS, make_settings
from probgen.inference.chains import check_plan
from probgen.inference.eager import run_eager
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.native.library import load
from probgen.inference.native.threads import run_native

__all__ = ["check_common", "run"]

LARGEST_DENSE = 2000
"""Coordinates above which a dense metric (dim^2 work per leapfrog step) is refused."""


def check_common(method: Any) -> None:
    """Validate the settings that NUTS and HMC share; raises `OptionError`."""
    name = method.name
    if not 0 < method.target_accept < 1:
        raise OptionError(
            f"{name}(target_accept={method.target_accept!r}): it must lie between 0 and 1; "
            "0.8 is usual, 0.95 for posteriors with divergences."
        )
    if method.metric not in METRICS:
        known = ", ".join(map(repr, METRICS))
        raise OptionError(f"{name}(metric={method.metric!r}): it must be one of {known}.")
    if method.step_size is not None and not 0 < method.step_size < float("inf"):
        raise OptionError(
            f"{name}(step_size={method.step_size!r}): it must be positive, or None to adapt it."
        )
    if not method.max_energy_error > 0:
        raise OptionError(
            f"{name}(max_energy_error={method.max_energy_error!r}): it must be positive; "
            "1000 is usual."
        )


def run(method: Any, density: DensityLike, plan: Plan, **values: Any) -> Draws:
    """Sample `density` with the settings of `method` and the algorithm's own `values`.

    Raises `OptionError` or `ModelError` for plans that cannot be carried out,
    `InitialisationError` for starting points without a finite density, `SamplingError` when no
    chain ever moves.
    """
    check_plan(density, plan)
    if method.metric == "dense" and density.dim > LARGEST_DENSE:
        raise OptionError(
            f"{method.name}(metric='dense'): the model has {density.dim} coordinates and a dense "
            f"metric serves up to {LARGEST_DENSE}; take metric='low_rank'."
        )
    settings = make_settings(
        method.metric,
        dim=density.dim,
        warmup=plan.warmup,
        draws=plan.draws,
        seed=plan.seed % 2**64,
        target_accept=method.target_accept,
        max_energy_error=method.max_energy_error,
        step_size=method.step_size or 0.0,
        **values,
    )
    if density.native is not None:
        try:
            library = load()
        except BuildError:
            return run_eager(density, plan, settings)
        return run_native(density, plan, settings, library)
    return run_eager(density, plan, settings)
