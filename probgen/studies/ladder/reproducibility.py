"""Rung: the same seed gives the same bits, with any number of threads; another one does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import density_for, run_on
from probgen.studies.ladder.targets import ExactTarget
from probgen.targets.factors import Factors

__all__ = ["RUNG", "climb", "climb_network"]

RUNG = "reproducibility"
THREADS = (1, 2, 3)


def climb(method: Any, target: ExactTarget, seed: int) -> Iterator[Outcome]:
    """Runs with one, two and three threads, and one with another seed."""
    density = density_for(target)

    def run(threads: int, seed: int) -> dict[str, np.ndarray]:
        result = run_on(method, density, draws=60, warmup=100, seed=seed, threads=threads)
        return {"draws": result.unconstrained, **result.stats}

    yield from _compared(target.name, [run(threads, seed) for threads in THREADS])
    other = run(1, seed + 1)["draws"]
    yield _differs(target.name, run(1, seed)["draws"], other)


def climb_network(method: Any, factors: Factors, seed: int) -> Iterator[Outcome]:
    """The same for an engine on a network."""

    def run(threads: int, seed: int) -> GraphResult:
        defaults = method.defaults
        draws, warmup = min(defaults.get("draws", 0), 50), min(defaults.get("warmup", 0), 20)
        chains = max(defaults.get("chains", 1), 1)
        return method.run(factors, GraphPlan(chains, draws, warmup, seed, threads))

    def arrays(result: GraphResult) -> dict[str, np.ndarray]:
        states = {} if result.states is None else {"draws": result.states}
        return {"marginals": result.marginals.probabilities, **states, **result.stats}

    name = factors.network.title
    yield from _compared(name, [arrays(run(threads, seed)) for threads in THREADS])
    first, other = run(1, seed), run(1, seed + 1)
    if first.states is not None and other.states is not None:
        yield _differs(name, first.states, other.states)


def _compared(name: str, runs: list[dict[str, np.ndarray]]) -> Iterator[Outcome]:
    different = sorted(
        key
        for key in runs[0]
        if any(not np.array_equal(runs[0][key], run[key], equal_nan=True) for run in runs[1:])
    )
    note = f"{', '.join(different)} depend on the number of threads" if different else ""
    passed = not different
    yield Outcome(RUNG, name, passed, len(different), "no array differs in any bit", note)


def _differs(name: str, first: np.ndarray, other: np.ndarray) -> Outcome:
    same = float((first == other).mean()) if first.size else 0.0
    identical = first.shape == other.shape and bool((first == other).all())
    note = "two seeds give the same draws" if identical else ""
    return Outcome("seeds differ", name, not identical, same, "< 1 of the draws equal", note)
