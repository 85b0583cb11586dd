"""``python -m tests.conformance.make_reference NAME...``: the `reference` of zoo models.

Each model is sampled at length by two samplers that have little in common, NUTS and MAMS, with
seeds of their own. Where their means and standard deviations agree within Monte Carlo error,
over all scalars together, the dictionary of both runs pooled is printed, or written to the end
of the model's file (`--write`). Exit status 1: some disagree, and nothing is made of them.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

import probgen as pg
from probgen import models
from probgen.declare.modelfile import ModelFile
from tests.conformance.reference import Estimates, bound, moments

LEVEL = 0.001
MOST = 12
HEAVY_TAIL = 0.1  # relative error of a standard deviation that cannot serve as reference
# Coordinates of a non-centred form, and labels of single data: what is made of them tells more.
AUXILIARY = re.compile(r"z|step|component|\w+_raw|\w+_cholesky")
SINGLE_STEP = re.compile(r"\w+_\d+")
COMMENT = "# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error."
WRITTEN = re.compile(rf"\n+{re.escape(COMMENT)}\nreference = {{\n.*?\n}}\n", re.DOTALL)

Scalars = Mapping[str, np.ndarray]
"""Draws (chain, draw) of every scalar, named as in Stan: `beta[1]` is the first element."""


@dataclass(frozen=True)
class Disagreement:
    """The scalar and statistic in which two runs differ most, in Monte Carlo errors."""

    scalar: str
    statistic: str
    z: float


def scalars_of(tree: xr.DataTree) -> Scalars:
    """What varies within every chain of the posterior; no single time steps, no states."""
    found = {}
    for name, variable in tree["posterior"].data_vars.items():
        if SINGLE_STEP.fullmatch(str(name)) or not np.issubdtype(variable.dtype, np.floating):
            continue
        draws = variable.to_numpy().astype(float)
        for index in itertools.product(*map(range, draws.shape[2:])):
            label = f"[{','.join(str(i + 1) for i in index)}]" if index else ""
            chosen = draws[(slice(None), slice(None), *index)]
            if np.ptp(chosen, axis=1).min() > 0.0:
                found[f"{name}{label}"] = chosen
    return found


def estimates(draws: np.ndarray) -> Estimates:
    """Mean and standard deviation with their errors; quantiles would take most of the time."""
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    errors = [
        float(array_stats.mcse(values, method="mean", chain_axis=0, draw_axis=1))
        for values in (draws, (draws - mean) ** 2)
    ]
    return moments(mean, errors[0], sd, errors[1] / (2.0 * sd))


def telling(scalars: Scalars) -> list[str]:
    """At most `MOST` of the scalars: all of small variables, the first of large ones."""
    by_variable: dict[str, list[str]] = {}
    for scalar in scalars:
        by_variable.setdefault(scalar.partition("[")[0], []).append(scalar)
    kept = {v: s for v, s in by_variable.items() if not AUXILIARY.fullmatch(v)}
    chosen = [n for names in kept.values() for n in (names if len(names) < 6 else names[:3])]
    return sorted(chosen, key=lambda name: name.partition("[")[2] != "")[:MOST]


def worst(first: Mapping[str, Estimates], second: Mapping[str, Estimates]) -> Disagreement:
    """Where two runs differ most."""
    return max(
        (
            Disagreement(name, statistic, _z_score(first[name][statistic], known[statistic]))
            for name, known in second.items()
            if name in first
            for statistic in ("mean", "sd")
        ),
        key=lambda found: found.z,
    )


def _z_score(first: tuple[float, float], second: tuple[float, float]) -> float:
    return abs(first[0] - second[0]) / math.hypot(first[1], second[1])


def rounded(value: float, error: float) -> tuple[float, float]:
    """Both to the second digit of the error."""
    digits = 1 - math.floor(math.log10(error))
    return round(value, digits), round(error, digits)


def lines(pooled: Mapping[str, Estimates]) -> Iterator[str]:
    """The dictionary as source text."""
    yield COMMENT
    yield "reference = {"
    for name, known in pooled.items():
        numbers = [*rounded(*known["mean"]), *rounded(*known["sd"])]
        yield f'    "{name}": ({", ".join(f"{number:.10g}" for number in numbers)}),'
    yield "}"


def sample(model: ModelFile, method: object, options: argparse.Namespace, seed: int) -> Scalars:
    """One long run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the comparison tells
        tree = pg.infer(
            model.program,
            method,
            data=model.data,
            draws=options.draws,
            thin=options.thin,
            warmup=options.warmup,
            seed=seed,
            log_likelihood=False,
            progress=False,
        )
    return scalars_of(tree)


def make(name: str, options: argparse.Namespace) -> bool:
    """Sample, compare, and print or write; whether the runs agree."""
    model, started = models.load(name), time.process_time()
    runs = [
        sample(model, model.method or pg.NUTS(target_accept=0.9), options, seed=101),
        sample(model, pg.MAMS(target_accept=options.target_accept), options, seed=202),
    ]
    both = [{scalar: estimates(draws) for scalar, draws in run.items()} for run in runs]
    found, limit = worst(*both), bound(2 * len(both[1]), LEVEL)
    print(
        f"{name}: largest |z| {found.z:.2f} ({found.statistic} of {found.scalar}), bound "
        f"{limit:.2f} for {len(both[1])} scalars; {time.process_time() - started:.0f} s of CPU",
        flush=True,
    )
    if found.z > limit:
        return False
    pooled = {
        scalar: estimates(np.concatenate([run[scalar] for run in runs]))
        for scalar in telling(runs[0])
        if scalar in runs[1]
    }
    pooled = {n: e for n, e in pooled.items() if e["sd"][1] < HEAVY_TAIL * e["sd"][0]}
    block = "\n".join(lines(pooled))
    if options.write:
        text = WRITTEN.sub("\n", model.path.read_text())
        model.path.write_text(f"{text.rstrip()}\n\n\n{block}\n")
    else:
        print(block, flush=True)
    return True


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.make_reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", metavar="NAME", choices=models.names(learned=False))
    parser.add_argument("--draws", type=int, default=5000, help="of each of four chains")
    parser.add_argument("--warmup", type=int, default=2000)
    parser.add_argument("--thin", type=int, default=1)
    parser.add_argument("--target-accept", type=float, default=0.95, help="of MAMS")
    parser.add_argument("--write", action="store_true", help="into the model's file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    agree = [make(name, options) for name in options.names]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
