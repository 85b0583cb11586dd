"""What the engines cost as models grow: variables, states per variable, chains.

    python -m tests.benchmarks.networks.growth [--picture growth.png]

Prints the measurements, and draws them: nanoseconds per Gibbs update, seconds of building its
tables, and seconds of exact elimination on grids of growing width.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from probgen.inference.graphical.elimination.memory import cost_of
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.targets.factors import Factors, condition

from .workloads import random_network, torus

SIDES = (8, 16, 32, 64, 128, 181)
CARDS = (2, 3, 4, 6, 8, 12, 16)
CHAINS = (1, 4, 16, 64, 256, 1024, 4096)
STRIPS = (4, 6, 8, 10, 12, 14, 16, 18)  # width of a grid of 32 columns


def update_cost(factors: Factors, chains: int, fast_paths: bool = False) -> tuple[float, float]:
    """Nanoseconds per variable update, and CPU seconds of building the sweep."""
    rng = np.random.default_rng(0)
    started = time.process_time()
    sweeper = Sweeper(factors, fast_paths=fast_paths)
    build = time.process_time() - started
    states = rng.integers(0, factors.cards[:, None], (len(factors.free), chains)).astype(np.uint8)
    sweeps, done, best, spent = 1, 0, np.inf, 0.0
    while spent < 0.5:
        started = time.process_time()
        sweeper.sweep(states, 1, done, sweeps)
        took = time.process_time() - started
        done, spent, best = done + sweeps, spent + took, min(best, took / sweeps)
        sweeps = max(sweeps, int(0.1 / max(took / sweeps, 1e-9)))
    return 1e9 * best / states.size, build


def strip(rows: int, columns: int) -> Factors:
    """A grid with random couplings, of elimination width `rows`."""
    from probgen.declare.network import Factor, Network

    rng = np.random.default_rng(0)
    factors = []
    for r in range(rows):
        for c in range(columns):
            for s in [(r + 1, c)] * (r + 1 < rows) + [(r, c + 1)] * (c + 1 < columns):
                scope = (r * columns + c, s[0] * columns + s[1])
                factors.append(Factor(scope, rng.normal(0, 0.5, (2, 2))))
    n = rows * columns
    return condition(Network(tuple(range(n)), ((0, 1),) * n, tuple(factors), "strip"))


def exact_cost(factors: Factors) -> tuple[float, float]:
    """CPU seconds of all marginals, and entries of all clique tables."""
    started = time.process_time()
    calibrate(factors).marginals()
    return time.process_time() - started, float(cost_of(factors).entries)


def main() -> None:
    """Measure all four series, print them, and draw them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    by_size = [(side * side, *update_cost(condition(torus(side)), 64)) for side in SIDES]
    by_card = [(k, *update_cost(condition(random_network(200, [k])), 64)) for k in CARDS]
    mixed = condition(random_network(200, [2, 3, 4, 5]))
    by_chains = [(chains, *update_cost(mixed, chains)) for chains in CHAINS]
    by_width = [(rows, *exact_cost(strip(rows, 32))) for rows in STRIPS]
    for title, names, rows in (
        ("Gibbs, grid", "variables, ns per update, build s", by_size),
        ("Gibbs, 200 variables", "states, ns per update, build s", by_card),
        ("Gibbs, 200 variables of 2-5 states", "chains, ns per update, build s", by_chains),
        ("Exact, grid of 32 columns", "rows, s, clique entries", by_width),
    ):
        print(f"{title}: {names}")
        for row in rows:
            print("  " + "  ".join(f"{value:.4g}" for value in row))
    if given.picture:
        draw(by_size, by_card, by_chains, by_width, given.picture)


def draw(by_size: list, by_card: list, by_chains: list, by_width: list, path: Path) -> None:
    """Four panels of one series each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.6), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, rows, title, below in (
        (panels[0], by_size, "grid, 64 chains", "variables"),
        (panels[1], by_card, "200 variables, 300 factors, 64 chains", "states per variable"),
        (panels[2], by_chains, "200 variables of 2-5 states", "chains"),
    ):
        x, cost, build = zip(*rows, strict=True)
        axes.plot(x, cost, "o-", color="#4477AA", label="ns per update")
        axes.plot(x, build, "s--", color="#EE6677", label="s to build")
        axes.set(xscale="log", yscale="log", title=f"Gibbs: {title}", xlabel=below)
        axes.legend(frameon=False)
    rows, seconds, entries = zip(*by_width, strict=True)
    panels[3].plot(rows, seconds, "o-", color="#4477AA", label="s, all marginals")
    panels[3].plot(rows, 1e-9 * np.array(entries), ":", color="#888888", label="1 ns per entry")
    panels[3].set(yscale="log", title="Exact: grid of 32 columns", xlabel="rows (width)")
    panels[3].legend(frameon=False)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
