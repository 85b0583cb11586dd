"""ESS per gradient and per second on posteriordb: probgen's NUTS beside nutpie's.

``python -m tests.benchmarks.posteriors [NAMES]`` runs every posterior with reference draws
(PROBGEN_DATA, or --database) by both tools in turn: 4 chains of 1000 + 1000 draws on one core,
default settings of both but the target acceptance that a posterior's file asks for, which both
get. Gradients are counted with warm-up. By default nutpie's sampler draws from the very density
that probgen compiled, which is fair to compare ESS per gradient on, but not seconds (nutpie then
calls it through Python); ``--pymc`` compiles the posterior's PyMC model for nutpie instead, and
compares CPU seconds of the whole call after compilation. Needs `pip install -e '.[benchmarks]'`.
"""

import argparse
import gc
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
from probgen.inference.initialise import initialise
from probgen.targets.reuse import density_of
from tests.benchmarks.convergence import convergence
from tests.benchmarks.posteriors.pymc_models import FAMILIES, MODELS, WITHOUT_JITTER
from tests.conformance.database import open_database
from tests.conformance.registry import declared
from tests.reference_data import find_reference_data

CHAINS, DRAWS, WARMUP = 4, 1000, 1000
NUTPIE = {"draws": DRAWS, "tune": WARMUP, "chains": CHAINS, "cores": 1, "progress_bar": False}
COLUMNS = ("dim", "seconds", "gradients", "ess", "ess_per_gradient", "ess_per_second", "rhat")


def main() -> None:
    """Run the posteriors and print one row each, then geometric means of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--database", type=Path, default=find_reference_data("posteriordb"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--low-rank", action="store_true", help="nutpie's low-rank metric")
    parser.add_argument("--pymc", action="store_true", help="nutpie on PyMC models, with times")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.low_rank:
        NUTPIE["low_rank_modified_mass_matrix"] = True
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    database = open_database(options.database)
    names = options.names or [e.name for e in database.entries() if e.has_reference]
    rows = {}
    for name in names:
        rows[name] = compare(name, database, options.seeds, options.pymc)
        print(name, json.dumps(rows[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    report(rows, options.pymc)


def compare(name, database, seeds, pymc):
    """Medians over the seeds of both tools; an `error` where one fails."""
    posterior = declared(name)
    data = posterior.data(database.data(name))
    outcome = {}
    peer = by_nutpie_on_pymc if pymc else by_nutpie_on_our_density
    for tool, measure in (("probgen", by_probgen), ("nutpie", peer)):
        try:
            runs = [measure(posterior, name, data, seed) for seed in range(1, seeds + 1)]
            outcome[tool] = {key: float(np.median([r[key] for r in runs])) for key in runs[0]}
        except Exception as error:
            outcome[tool] = {"error": f"{type(error).__name__}: {error}"[:200]}
        gc.collect()
    return outcome


def target_accept(posterior):
    """What the posterior's file asks for, else the default of both tools."""
    return getattr(posterior.options.get("method"), "target_accept", 0.8)


def by_probgen(posterior, name, data, seed):
    """One run of NUTS with what the posterior's file says of its start."""
    method = pg.NUTS(target_accept=target_accept(posterior))
    plan = {"chains": CHAINS, "draws": DRAWS, "warmup": WARMUP, "threads": 1,
            "log_likelihood": False, "progress": False,
            "init": posterior.options.get("init", "uniform")}  # fmt: skip
    pg.infer(posterior.program, method, data=data, seed=seed, **{**plan, "draws": 5, "warmup": 5})
    cpu = time.process_time()
    tree = pg.infer(posterior.program, method, data=data, seed=seed, **plan)
    seconds = time.process_time() - cpu
    latent = tree["unconstrained_posterior"].data_vars
    draws = {n: tree.posterior[n].values for n in latent}
    gradients = tree.attrs["gradient_evaluations"] + tree.attrs["gradient_evaluations_warmup"]
    return summary(draws, seconds, gradients)


def by_nutpie_on_our_density(posterior, name, data, seed):
    """One run of nutpie's sampler on the density that probgen compiled."""
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    density, _ = density_of(posterior.program, data)
    starts = initialise(density, CHAINS, seed, posterior.options.get("init", "uniform"))

    def log_density():
        return lambda q: density.native.value_and_grad(q)

    def expand(*_):
        return lambda q: {"q": np.asarray(q)}

    turn = iter(starts)
    model = from_pyfunc(
        density.dim, log_density, expand, [np.dtype("float64")], [(density.dim,)], ["q"],
        make_initial_point_fn=lambda _: next(turn),
    )  # fmt: skip
    cpu = time.process_time()
    accept = target_accept(posterior)
    tree = nutpie.sample(model, seed=seed, target_accept=accept, **NUTPIE)
    seconds = time.process_time() - cpu
    drawn = tree.posterior["q"].values
    outputs = density.outputs(drawn.reshape(-1, density.dim))
    draws = {
        site.name: outputs[f"latent:{site.name}"].reshape(*drawn.shape[:2], *site.shape)
        for site in density.latents
    }
    gradients = int(tree.warmup_sample_stats["n_steps"].sum() + tree.sample_stats["n_steps"].sum())
    return summary(draws, seconds, gradients)


def by_nutpie_on_pymc(posterior, name, data, seed):
    """One run of nutpie on the PyMC model of the same posterior."""
    import nutpie
    import pymc as pm

    plain = {n: np.asarray(v) for n, v in data.items()}
    model = MODELS.get(name) or FAMILIES[posterior.program.__name__]
    with pm.Model() as program:
        model(**plain)
    jitter = {"jitter_rvs": set()} if name in WITHOUT_JITTER else {}
    compiled = nutpie.compile_pymc_model(program, **jitter)
    accept = target_accept(posterior)
    cpu = time.process_time()
    tree = nutpie.sample(compiled, seed=seed, target_accept=accept, **NUTPIE)
    seconds = time.process_time() - cpu
    names = {v.name for v in program.free_RVs} | {v.name for v in program.deterministics}
    draws = {n: tree.posterior[n].values for n in names if n in tree.posterior}
    draws = {n: v for n, v in draws.items() if not n.endswith("_log") and n != "share"}
    gradients = int(tree.warmup_sample_stats["n_steps"].sum() + tree.sample_stats["n_steps"].sum())
    return summary(draws, seconds, gradients)


def summary(draws, seconds, gradients):
    """The columns of one run."""
    varying = {n: v for n, v in draws.items() if np.ptp(v) > 0}
    worst = convergence(varying)
    return {
        "dim": sum(int(np.prod(v.shape[2:])) for v in varying.values()),
        "seconds": seconds,
        "gradients": gradients,
        "ess": worst.ess_bulk,
        "ess_per_gradient": worst.ess_bulk / gradients,
        "ess_per_second": worst.ess_bulk / seconds,
        "rhat": worst.rhat,
    }


def report(rows, timed) -> None:
    """The table, and geometric means of probgen over nutpie."""
    table = Table(title=f"{CHAINS} x ({WARMUP} + {DRAWS}), CPU s after compilation, one core")
    table.add_column("posterior", overflow="fold")
    for heading in ("dim", "CPU s", "gradients", "min bulk ESS", "R-hat", "ESS/gradient",
                    *(["ESS/s"] if timed else [])):  # fmt: skip
        table.add_column(heading, justify="right")
    ratios = {"ess_per_gradient": {}} | ({"ess_per_second": {}} if timed else {})
    for name, row in rows.items():
        ours, theirs = row["probgen"], row["nutpie"]
        if "error" in ours or "error" in theirs:
            table.add_row(name, "", ours.get("error", "") + " | " + theirs.get("error", ""))
            continue
        for key, found in ratios.items():
            found[name] = ours[key] / theirs[key]
        cells = [f"{ours['dim']:.0f}"]
        for key, form in (("seconds", ".3f"), ("gradients", ".0f"), ("ess", ".0f"),
                          ("rhat", ".3f")):  # fmt: skip
            cells.append(f"{ours[key]:{form}} / {theirs[key]:{form}}")
        cells += [f"{ratios[key][name]:.2f}x" for key in ratios]
        table.add_row(name, *cells)
    Console(width=150).print(table)
    for key, found in ratios.items():
        if found:
            mean = math.exp(sum(map(math.log, found.values())) / len(found))
            worst = min(found, key=found.get)
            print(f"{key}: geometric mean {mean:.2f} over {len(found)}, "
                  f"worst {found[worst]:.2f} ({worst})")  # fmt: skip


if __name__ == "__main__":
    main()
