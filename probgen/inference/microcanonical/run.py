"""Where MCLMC and MAMS meet: settings, engine, what was learnt, and the words about it.

A density with a native function is sampled in native code, one thread per chain; any other, and
any machine without a compiler, takes the numpy engine: same algorithm, same adaptation.
"""

from __future__ import annotations

from typing import Any

from probgen.inference.adapt.learnt import continued
from probgen.inference.chains import Chains, check_plan
from probgen.inference.engines import run_on_an_engine
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.microcanonical.engine import run_eager
from probgen.inference.microcanonical.settings import (
    INTEGRATORS,
    Tunings,
    make_microcanonical,
)
from probgen.inference.native.microcanonical import load_microcanonical, run_microcanonical

__all__ = ["run"]

_FOREIGN = ("energy", "tree_depth", "reached_max_depth")
"""Statistics of Hamiltonian trajectories; isokinetic ones have no energy but its changes."""


def run(
    method: Any, density: DensityLike, plan: Plan, hidden: tuple[str, ...] = (), **values: Any
) -> Draws:
    """Sample `density` with the settings of `method` and the algorithm's own `values`.

    `hidden` are statistics that it does not have. Raises `OptionError` or `ModelError` for plans
    that cannot be carried out, `InitialisationError` for starting points without a finite
    density, `SamplingError` when no chain ever moves.
    """
    check_plan(density, plan)
    settings = make_microcanonical(
        "diag" if density.dim == 1 else method.metric,
        dim=density.dim,
        warmup=plan.warmup,
        draws=plan.draws,
        thin=plan.thin,
        integrator=INTEGRATORS[method.integrator],
        step_size=method.step_size or 0.0,
        length=method.length or 0.0,
        max_energy_error=method.max_energy_error,
        **values,
    )
    tunings = Tunings(plan.chains)
    if plan.adaptation is not None:
        given = tunings.take(plan.adaptation, method.name)
        plan = continued(plan, given, settings, method.name)
        settings.resume = 1
    settings.seed = plan.seed % 2**64
    chains = Chains(settings, plan, (*_FOREIGN, *hidden))
    chains.learnt |= tunings.arrays
    result = run_on_an_engine(
        density,
        load_microcanonical,
        lambda library: run_microcanonical(density, chains, tunings, library),
        lambda: run_eager(density, chains, tunings),
    )
    result.summary["energy_error_variance"] = result.adaptation.pop("energy_error").tolist()
    for name in ("length", "steps"):
        result.summary[name] = result.adaptation[name].tolist()
    return result
