"""Every guide against the reference draws of posteriordb: errors, Pareto k, seconds.

``python -m tests.benchmarks.variational_posteriordb [NAMES]`` fits every guide of ``--guides`` to
every posterior with reference draws (PROBGEN_DATA, or --database), at default settings but the
starts that a posterior's file asks for, with ``--limit`` seconds of training each, after which
what there is counts (marked *). `mean` is the worst error of a mean in units of the reference's
deviation, `sd` the worst log ratio of deviations; both of the draws as they are, without
importance weights. ``--json`` keeps the numbers, and goes on from a file that is there.
"""

import argparse
import json
import math
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import probgen as pg
from probgen.errors import ProbgenError
from probgen.inference.variational import flat
from tests.conformance.database import open_database
from tests.conformance.reference import locate
from tests.conformance.registry import declared
from tests.reference_data import find_reference_data

GUIDES = (
    "laplace", "pathfinder", "mean_field", "multivariate", "low_rank", "mixture",
    "iaf", "maf", "nsf", "coupling", "spline",
)  # fmt: skip
DRAWS = 1000


def main() -> None:
    """Run all, printing a line for each, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--database", type=Path, default=find_reference_data("posteriordb"))
    parser.add_argument("--guides", nargs="*", default=GUIDES)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of training")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    database = open_database(options.database)
    names = options.names or [e.name for e in database.entries() if e.has_reference]
    rows = {}
    if options.json and options.json.exists():
        rows = json.loads(options.json.read_text())
    for guide in options.guides:
        for name in names:
            found = rows.setdefault(name, {})
            if guide not in found:
                found[guide] = run(name, guide, database, options.limit)
                print(name, guide, json.dumps(found[guide]), flush=True)
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1))
    report(rows, options.guides)


def run(name, guide, database, limit):
    """One fit: its errors and what the method says of itself, or an `error`."""
    posterior = declared(name)
    data = posterior.data(database.data(name))
    stop = stopwatch(limit)
    began = time.perf_counter()
    try:
        with stop:
            tree = pg.infer(
                posterior.program, pg.SVI(guide), data=data, seed=1, draws=DRAWS, threads=1,
                progress=False, log_likelihood=False,
                init=posterior.options.get("init", "uniform"),
            )  # fmt: skip
    except ProbgenError as error:
        return {"error": f"{type(error).__name__}: {error}"[:120]}
    seconds = time.perf_counter() - began
    mean, sd = errors(tree, database.reference_draws(name), posterior.renamed)
    attrs = tree.attrs
    evidence = attrs.get("log_evidence_importance", attrs.get("log_evidence", math.nan))
    return {
        "dim": int(sum(v[0, 0].size for v in tree["unconstrained_posterior"].values())),
        "mean": mean,
        "sd": sd,
        "k": float(attrs["pareto_k"]),
        "elbo": float(attrs.get("elbo", math.nan)),
        "evidence": float(evidence),
        "steps": int(attrs.get("steps", 0)),
        "seconds": seconds,
        "cut": bool(attrs["interrupted"]),
        "converged": bool(attrs.get("converged", True)),
    }  # fmt: skip


class stopwatch:
    """Ends a training after some seconds as Ctrl-C does."""

    def __init__(self, seconds):
        self.seconds, self.watch = seconds, flat._Watch.__call__

    def __enter__(self):
        began, seconds, watch = time.monotonic(), self.seconds, self.watch

        def watched(self, fitting):
            watch(self, fitting)
            if time.monotonic() - began > seconds:
                raise KeyboardInterrupt

        flat._Watch.__call__ = watched

    def __exit__(self, *_):
        flat._Watch.__call__ = self.watch


def errors(tree, reference, renamed):
    """The worst error of a mean in reference deviations, and the worst log ratio of deviations."""
    means, ratios = [], []
    for parameter, known in reference.items():
        site, index = locate(parameter)
        draws = tree["posterior"][renamed.get(site, site)].to_numpy()[(..., *index)]
        scale = known.std()
        means.append(abs(draws.mean() - known.mean()) / scale)
        ratios.append(math.log(max(draws.std(), 1e-300) / scale))
    return float(np.max(means)), float(max(ratios, key=abs))


def report(rows, guides) -> None:
    """A row per posterior, a column per guide: mean error, sd ratio, k, seconds."""
    table = Table(title="worst |mean error|/sd, worst sd ratio, Pareto k (seconds)")
    table.add_column("posterior", overflow="fold")
    for guide in guides:
        table.add_column(guide, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(cell(row[guide]) if guide in row else "" for guide in guides))
    Console(width=60 + 26 * len(guides)).print(table)
    for guide in guides:
        found = [row[guide] for row in rows.values() if guide in row and "k" in row[guide]]
        if found:
            good = [r for r in found if r["k"] <= 0.7]
            print(
                f"{guide}: {len(found)} posteriors, k <= 0.7 in {len(good)}, median mean error "
                f"{np.median([r['mean'] for r in found]):.3f} sd, median |log sd ratio| "
                f"{np.median([abs(r['sd']) for r in found]):.3f}, median seconds "
                f"{np.median([r['seconds'] for r in found]):.1f}; where k <= 0.7 the worst mean "
                f"error {max((r['mean'] for r in good), default=math.nan):.2f}"
            )


def cell(found) -> str:
    """One fit in few characters."""
    if "error" in found:
        return found["error"].split(":")[0]
    mark = "*" if found["cut"] else "" if found["converged"] else "+"
    return (
        f"{found['mean']:.2f} {math.exp(found['sd']):.2f} k{found['k']:.2f} "
        f"({found['seconds']:.0f}s{mark})"
    )


if __name__ == "__main__":
    main()
