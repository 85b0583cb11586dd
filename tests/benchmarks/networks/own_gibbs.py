"""probgen's own sweeps, with and without the paths made for Ising models."""

from __future__ import annotations

import time

import numpy as np

from probgen.inference.graphical.sweeps.sweeper import Sweeper

from .workloads import load


def measure(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """Variable updates per CPU second, whichever kernel is chosen."""
    return _measure(workload, chains, seconds, fast_paths=True)


def measure_general(workload: str, chains: int, seconds: float) -> dict[str, float]:
    """The same with the kernel that takes any tables."""
    return _measure(workload, chains, seconds, fast_paths=False)


def _measure(workload: str, chains: int, seconds: float, fast_paths: bool) -> dict[str, float]:
    from probgen.inference.graphical.blocks.start import starting_states

    factors = load(workload)
    states = np.ascontiguousarray(starting_states(factors, chains, 0))
    started = time.process_time()
    sweeper = Sweeper(factors, fast_paths=fast_paths)
    setup = time.process_time() - started
    updates, done, sweeps, best = len(factors.free) * chains, 0, 1, np.inf
    spent = 0.0
    while spent < seconds:
        started = time.process_time()
        sweeper.sweep(states, 1, done, sweeps)
        took = time.process_time() - started
        done, spent = done + sweeps, spent + took
        best = min(best, took / sweeps)
        sweeps = max(sweeps, int(0.2 * seconds / max(took / sweeps, 1e-9)))
    return {"rate": updates / best, "setup": setup}
