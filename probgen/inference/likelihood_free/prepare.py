"""Approximate Bayesian computation of a program with its data, made ready to be run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from probgen.declare.program import read_program
from probgen.errors import OptionError
from probgen.inference.likelihood_free.distance import Comparison, Pilot
from probgen.inference.likelihood_free.run import SimulationOptions, SimulationRun
from probgen.inference.likelihood_free.simulator import Simulator
from probgen.inference.options import ProgramOptions
from probgen.results.tree import Labels

__all__ = ["PILOT", "prepare_simulation", "simulation_options"]

PILOT = 1000
"""Simulations from the prior that give the scales of summaries."""
_PILOT_SEED = 0x91107
_UNUSED = (
    "init", "keep_warmup", "backend", "precision", "device", "thin", "adapted",
)  # fmt: skip


def prepare_simulation(
    model: Callable[..., Any],
    method: Any,
    data: Mapping[str, Any] | None,
    options: SimulationOptions,
    labels: Labels,
    pilot: Pilot | None = None,
) -> SimulationRun:
    """Read a program whose data are simulated, and find the scales of its summaries.

    `pilot` is what an earlier run found of these. Raises `ModelError`, `DataError`.
    """
    began = time.perf_counter()
    program = read_program(model, data, scored=False)
    simulator = Simulator(program, method.moved(program))
    found = pilot or simulator.from_prior(PILOT, _pilot_seed(options.seed)).data
    comparison = Comparison(method.summaries, method.distance, simulator.given(), found)
    run = SimulationRun(simulator, comparison, method, options, labels, PILOT)
    method.steps(run.plan())  # tells at once where it cannot be carried out
    run.seconds_start = time.perf_counter() - began
    return run


def simulation_options(
    method: Any, common: Mapping[str, Any], only_programs: Mapping[str, Any]
) -> SimulationOptions:
    """What `infer` was asked for; raises `OptionError` for what has no meaning here."""
    usual = {field: ProgramOptions.__dataclass_fields__[field].default for field in _UNUSED}
    for name, value in only_programs.items():
        plain = isinstance(value, (str, int)) or value is None
        if name in usual and not (plain and value == usual[name]):
            raise OptionError(f"{name}= has no meaning for {method.name}, which simulates.")
    if only_programs.get("log_likelihood"):
        raise OptionError(
            f"log_likelihood: {method.name} simulates, and knows none. Leave it out."
        )
    if common["warmup"]:
        raise OptionError(f"warmup={common['warmup']}: {method.name} has no warm-up.")
    counts = {
        n: method.defaults[n] if common[n] is None else common[n] for n in ("chains", "draws")
    }
    if counts["draws"] < 1:
        raise OptionError(f"draws={counts['draws']}: {method.name} needs at least 1.")
    return SimulationOptions(**counts, seed=common["seed"], progress=common["progress"])


def _pilot_seed(seed: int) -> int:
    return int(np.random.SeedSequence([seed % 2**64, _PILOT_SEED]).generate_state(1)[0])
