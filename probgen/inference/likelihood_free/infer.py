"""Approximate Bayesian computation of a program with its data, from declaration to DataTree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from probgen.declare.program import Program, read_program
from probgen.errors import OptionError
from probgen.inference.groups import data_groups, whole
from probgen.inference.likelihood_free.distance import Comparison
from probgen.inference.likelihood_free.population import Outcome
from probgen.inference.likelihood_free.settings import SimulationPlan
from probgen.inference.likelihood_free.simulator import Simulator
from probgen.inference.model_source import program_text
from probgen.inference.options import ProgramOptions
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["infer_by_simulation"]

_PACKAGES = ("torch", "pyro-ppl", "numpy", "xarray")
_PILOT = 1000  # simulations from the prior that give the scales of summaries
_PILOT_SEED = 0x91107
_UNUSED = (
    "init", "keep_warmup", "backend", "precision", "device", "thin", "adapted",
)  # fmt: skip


def infer_by_simulation(
    model: Callable[..., Any],
    method: Any,
    data: Mapping[str, Any] | None,
    common: Mapping[str, Any],
    only_programs: Mapping[str, Any],
    labels: Labels,
) -> xr.DataTree:
    """Draws of the latent sites of a program whose data are simulated; see `probgen.infer`.

    `sample_stats` holds `distance` of the simulated data behind every draw, and `weight`, what
    it had before resampling. Raises `ModelError`, `DataError`, `OptionError`, `SamplingError`.
    """
    usual = {field: ProgramOptions.__dataclass_fields__[field].default for field in _UNUSED}
    for name, value in only_programs.items():
        plain = isinstance(value, (str, int)) or value is None
        if name in usual and not (plain and value == usual[name]):
            raise OptionError(f"{name}= has no meaning for {method.name}, which simulates.")
    if only_programs.get("log_likelihood"):
        raise OptionError(
            f"log_likelihood: {method.name} simulates, and knows none. Leave it out."
        )
    counts = {
        n: common[n] if common[n] is not None else method.defaults[n] for n in ("chains", "draws")
    }
    if common["warmup"]:
        raise OptionError(f"warmup={common['warmup']}: {method.name} has no warm-up.")
    if counts["draws"] < 1:
        raise OptionError(f"draws={counts['draws']}: {method.name} needs at least 1.")
    began, seed = time.perf_counter(), common["seed"]
    program = read_program(model, data, scored=False)
    simulator = Simulator(program, method.moved(program))
    pilot = simulator.from_prior(_PILOT, _pilot_seed(seed))
    comparison = Comparison(method.summaries, method.distance, simulator.given(), pilot.data)
    ready = time.perf_counter()
    with ProgressDisplay(f"{method.name} {program.name}", common["progress"]) as display:
        plan = SimulationPlan(
            simulator, comparison, counts["chains"], counts["draws"], seed, _PILOT, display.step
        )
        outcome = method.run(plan)
    attrs = {
        **run_attributes(program.name, method, seed, _PACKAGES, program_text(program.model)),
        "likelihood_free": True,
        "epsilon": outcome.epsilon,
        "epsilon_under_prior": _share(comparison, pilot.data, outcome.epsilon),
        "epsilons": [e for e in outcome.history["epsilon"].tolist() if np.isfinite(e)],
        "acceptance_rates": outcome.history["acceptance_rate"].tolist(),
        "simulations": outcome.simulations,
        "effective_sizes": list(map(float, outcome.effective)),
        "moved_sites": list(simulator.moved),
        "summaries": len(comparison.observed),
        "interrupted": outcome.interrupted,
        "seconds_start": ready - began,
        "seconds_sampling": time.perf_counter() - ready,
        "notes": outcome.notes,
    }
    return build_tree(_groups(program, outcome), labels, attrs)


def _groups(program: Program, outcome: Outcome) -> dict[str, dict[str, Variable]]:
    posterior = {}
    for name, site in program.sites.items():
        if site.kind in ("latent", "deterministic"):
            values = np.stack([population.values[name] for population in outcome.chains])
            posterior[name] = Variable(whole(site, values), site.plates)
    stats = {
        "distance": np.stack([population.distance for population in outcome.chains]),
        "weight": np.stack([population.weight for population in outcome.chains]),
    }
    history = {n: Variable(v, ("step",), sampled=False) for n, v in outcome.history.items()}
    return {
        "posterior": posterior,
        "sample_stats": {name: Variable(value) for name, value in stats.items()},
        "history": history,
        **data_groups(program),
    }


def _pilot_seed(seed: int) -> int:
    return int(np.random.SeedSequence([seed % 2**64, _PILOT_SEED]).generate_state(1)[0])


def _share(comparison: Comparison, data: Any, epsilon: float) -> float:
    """Share of simulations from the prior that would be accepted."""
    return float((comparison(data) <= epsilon).mean())
