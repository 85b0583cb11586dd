"""Where NUTS and HMC meet: pick the engine, run the chains.

A density with a native function is sampled in native code, one thread per chain; any other, and
any machine without a compiler, takes the numpy engine: same algorithm, same adaptation.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from probgen.errors import OptionError
from probgen.inference.adapt.learnt import continued
from probgen.inference.adapt.settings import METRICS, Settings, make_settings
from probgen.inference.chains import check_plan
from probgen.inference.eager import run_eager
from probgen.inference.engines import run_on_an_engine
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.native.library import load
from probgen.inference.native.threads import run_native

__all__ = ["check_common", "inside", "run"]

LARGEST_DENSE = 2000
"""Coordinates above which a dense metric (dim^2 work per leapfrog step) is refused."""


def inside(value: Any, low: float, high: float = math.inf) -> bool:
    """Whether `value` is a number strictly between `low` and `high`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and low < value < high


def check_common(method: Any) -> None:
    """Validate the settings that NUTS and HMC share; raises `OptionError`."""
    name = method.name
    if not inside(method.target_accept, 0, 1):
        raise OptionError(
            f"{name}(target_accept={method.target_accept!r}): it must lie between 0 and 1; "
            "0.8 is usual, 0.95 for posteriors with divergences."
        )
    if method.metric not in METRICS:
        known = ", ".join(map(repr, METRICS))
        raise OptionError(f"{name}(metric={method.metric!r}): it must be one of {known}.")
    if method.step_size is not None and not inside(method.step_size, 0):
        raise OptionError(
            f"{name}(step_size={method.step_size!r}): it must be positive, or None to adapt it."
        )
    if not inside(method.max_energy_error, 0):
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
        thin=plan.thin,
        target_accept=method.target_accept,
        max_energy_error=method.max_energy_error,
        step_size=method.step_size or 0.0,
        **values,
    )
    if plan.adaptation is not None:
        plan = continued(plan, plan.adaptation, settings, method.name)
        settings.resume = 1
    settings.seed = plan.seed % 2**64
    result = run_on_an_engine(
        density,
        load,
        lambda library: run_native(density, plan, settings, library),
        lambda: run_eager(density, plan, settings),
    )
    needed = draws_needed(settings)
    if method.metric == "dense" and 0 < plan.warmup < needed and not settings.resume:
        result.summary["notes"].append(
            f"{method.name}(metric='dense'): {plan.warmup} warm-up draws are too few to learn a "
            f"dense metric of {density.dim} coordinates, so a low-rank one was used; "
            f"{needed} are needed."
        )
    return result


def draws_needed(settings: Settings) -> int:
    """Warm-up draws from which a dense metric is learnt: 2 dim young ones."""
    fraction = settings.young_fraction * (1 - settings.final_fraction)
    return math.ceil((2 * settings.dim + 1) / fraction) + 1
