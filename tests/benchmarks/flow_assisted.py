"""Flow-assisted samplers beside NUTS: a funnel, a banana, and a ring of eight modes.

``python -m tests.benchmarks.flow_assisted --seeds 3`` prints a Markdown table for each. The
truth is known exactly. Training, tempering and warm-up are charged; compilation is not, and is
shown beside, for it is done once per shape of flow and kept on disk.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from arviz_stats.base import array_stats

import probgen as pg
from probgen import models
from probgen.inference.initialise import find_starts
from probgen.inference.method import Draws, Plan
from probgen.models.ring_mixture import centres, weights
from probgen.targets.density import Density
from probgen.targets.reuse import density_of

from .table import markdown

METHODS: dict[str, tuple[Any, tuple[int, int, int]]] = {
    "NUTS": (pg.NUTS(), (4, 1000, 1000)),
    "NUTS(0.99)": (pg.NUTS(target_accept=0.99), (4, 1000, 1000)),
    "NeuTra(iaf)": (pg.NeuTra(), (4, 1000, 1000)),
    "NeuTra(coupling)": (pg.NeuTra(guide="coupling"), (4, 1000, 1000)),
    "FlowMetropolis(maf)": (pg.FlowMetropolis(), (64, 300, 500)),
    "FlowMetropolis(spline)": (pg.FlowMetropolis(guide="spline"), (64, 300, 500)),
    "TemperedSMC": (pg.TemperedSMC(), (4, 0, 2000)),
}
COLUMNS = (
    "method", "chains x (warm-up + draws)", "CPU s", "of it training (%)", "min bulk ESS",
    "ESS / CPU s", "worst error of a mean (sd)", "worst error of an sd (%)", "R-hat",
    "divergences", "Pareto k", "flow accepted", "fell back", "first run, wall s",
)  # fmt: skip
EXPLANATION = """\
One thread, the model compiled beforehand; medians over seeds. CPU seconds are those of the whole
run, training and warm-up included. Errors are of all quantities of a target against the truth; an
ESS that comes with a large error counts for nothing: chains agree on what they all miss. "First
run" includes the compilation of the flow where it is not on disk yet. Draws of TemperedSMC are in
no order, so that their ESS is an upper bound."""


@dataclass(frozen=True)
class Target:
    """A zoo model, and what of its draws is compared with the truth."""

    name: str
    quantities: Callable[[np.ndarray], np.ndarray]
    """Unconstrained draws (..., dim) to quantities (..., k)."""
    mean: np.ndarray
    sd: np.ndarray


def _funnel() -> Target:
    """v, log |x| of every value, and how often v is below -3, where the neck is."""

    def quantities(draws: np.ndarray) -> np.ndarray:
        neck = (draws[..., :1] < -3).astype(float)
        return np.concatenate([draws[..., :1], np.log(np.abs(draws[..., 1:])), neck], axis=-1)

    log_normal = -0.5 * (np.euler_gamma + np.log(2))
    below = 0.15865525393145707
    return Target(
        "funnel",
        quantities,
        np.array([0, *[log_normal] * 9, below]),
        np.sqrt([9, *[9 / 4 + np.pi**2 / 8] * 9, below * (1 - below)]),
    )


def _banana() -> Target:
    return Target("banana", lambda draws: draws, np.zeros(2), np.array([10.0, np.sqrt(19.0)]))


def _ring() -> Target:
    """Both coordinates, and which mode a draw is in."""
    places, shares = centres().double().numpy(), weights().double().numpy()

    def quantities(draws: np.ndarray) -> np.ndarray:
        nearest = ((draws[..., None, :] - places) ** 2).sum(-1).argmin(-1)
        modes = (nearest[..., None] == np.arange(len(places))).astype(float)
        return np.concatenate([draws, modes], axis=-1)

    mean = shares @ places
    sd = np.sqrt(0.4**2 + shares @ places**2 - mean**2)
    return Target(
        "ring_mixture",
        quantities,
        np.concatenate([mean, shares]),
        np.concatenate([sd, np.sqrt(shares * (1 - shares))]),
    )


TARGETS = {target.name: target for target in (_funnel(), _banana(), _ring())}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--targets", type=lambda text: text.split(","), default=list(TARGETS))
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("# Flow-assisted samplers\n\n" + EXPLANATION)
    for name in options.targets:
        model = models.load(name)
        density, _ = density_of(model.program, model.data)
        print(f"\n## {name}, {density.dim} coordinates\n")
        rows = [_row(TARGETS[name], density, method, options.seeds) for method in options.methods]
        print(markdown(COLUMNS, rows), flush=True)


def _row(target: Target, density: Density, name: str, seeds: int) -> list[str]:
    method, (chains, warmup, draws) = METHODS[name]
    counts = f"{chains} x ({warmup} + {draws})"
    runs, first = [], 0.0
    for seed in range(seeds + 1):  # the first is for compilation
        initial, _ = find_starts(density, chains, seed, "uniform")
        began, spent = time.perf_counter(), time.process_time()
        try:
            result = method.run(density, Plan(chains, draws, warmup, seed, initial))
        except pg.ProbgenError as error:
            return [name, counts, f"{type(error).__name__}", *["-"] * (len(COLUMNS) - 3)]
        cpu = time.process_time() - spent
        if seed == 0:
            first = time.perf_counter() - began
        else:
            share = result.summary.get("seconds_training", 0.0) / (time.perf_counter() - began)
            runs.append((cpu, *_numbers(target, result), share, result.summary))
    cpu, ess, of_mean, of_sd, rhat, diverging, share = (
        median(run[i] for run in runs) for i in range(7)
    )
    summaries = [run[7] for run in runs]

    def told(key: str, form: str) -> str:
        known = [summary[key] for summary in summaries if key in summary]
        return format(median(known), form) if known else "-"

    fell_back = [summary["fell_back"] for summary in summaries if "fell_back" in summary]
    return [
        name, counts, f"{cpu:.3g}", f"{100 * share:.0f}", f"{ess:.0f}",
        f"{ess / cpu:.3g}", f"{of_mean:.3f}", f"{100 * of_sd:.1f}", f"{rhat:.3f}",
        f"{diverging:.0f}", told("pareto_k", ".2f"), told("flow_acceptance", ".2f"),
        f"{sum(fell_back)} of {len(fell_back)}" if fell_back else "-", f"{first:.1f}",
    ]  # fmt: skip


def _numbers(target: Target, result: Draws) -> tuple[float, float, float, float, float]:
    """Least ESS, worst errors of means (in sd) and of sds (relative), R-hat, divergences."""
    values = target.quantities(result.unconstrained)
    flat = values.reshape(-1, values.shape[-1])
    of_mean = np.abs(flat.mean(0) - target.mean) / target.sd
    of_sd = np.abs(flat.std(0) / target.sd - 1)
    columns = [values[..., k] for k in range(values.shape[-1])]
    spread = [column for column in columns if np.ptp(column) > 0]
    shape = {"chain_axis": 0, "draw_axis": 1}
    ess = min(float(array_stats.ess(c, method="bulk", **shape)) for c in spread)
    with np.errstate(all="ignore"):  # chains that each keep to a mode of their own
        rhat = max(float(array_stats.rhat(c, method="rank", **shape)) for c in spread)
    return (
        ess if len(spread) == len(columns) else 0.0,
        float(of_mean.max()),
        float(of_sd.max()),
        rhat,
        float(result.stats["diverging"].sum()),
    )


if __name__ == "__main__":
    main()
