"""Gradients of the ELBO per second: `SVI("mean_field")` beside Pyro's SVI with AutoNormal.

``python -m tests.benchmarks.variational_speed [--steps N]`` trains both on eight schools and on a
logistic regression with 25 coefficients, on one core. A gradient is one particle: Pyro's default
of one per step, and as many as serve it best (`--particles`, vectorised), against probgen's 16.
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI as PyroSVI
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoNormal
from rich.console import Console
from rich.table import Table

import probgen as pg
from probgen.declare.data import as_tensors
from probgen.inference.initialise import initialise
from probgen.inference.variational.fit import fit_guide
from probgen.targets.reuse import density_of
from tests.benchmarks.models import eight_schools_data, logistic_data
from tests.benchmarks.pyro_programs import eight_schools, logistic


def logistic_of_particles(x, y):
    """The logistic regression as Pyro can vectorise it over particles."""
    beta = pyro.sample("beta", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    with pyro.plate("observation", len(y)):
        logits = (beta if beta.dim() == 1 else beta.squeeze(-2)) @ x.T
        pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


MODELS = {
    "eight schools": (eight_schools, eight_schools, eight_schools_data),
    "logistic 1000 x 25": (logistic, logistic_of_particles, logistic_data),
}


def main() -> None:
    """Print a row for every model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--particles", type=int, default=16)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table = Table(title="ELBO gradients per CPU second, one core")
    for heading in ("model", "Pyro, 1 particle", f"Pyro, {options.particles}", "probgen, 16",
                    "ratio to Pyro's best"):  # fmt: skip
        table.add_column(heading, justify="right")
    for name, (program, of_particles, make_data) in MODELS.items():
        single = by_pyro(program, make_data(), options.steps // 4, 1)
        many = by_pyro(of_particles, make_data(), options.steps // 4, options.particles)
        ours = by_probgen(program, make_data(), options.steps)
        best = max(single, many)
        table.add_row(name, f"{single:,.0f}", f"{many:,.0f}", f"{ours:,.0f}", f"{ours / best:.1f}")
    Console(width=110).print(table)


def by_pyro(program, data, steps, particles):
    """Gradients per second of Pyro's own SVI after a few steps to warm up."""
    pyro.clear_param_store()
    pyro.set_rng_seed(1)
    tensors = {n: v.float() if v.is_floating_point() else v for n, v in as_tensors(data).items()}
    loss = Trace_ELBO(num_particles=particles, vectorize_particles=particles > 1)
    if particles > 1:
        loss.max_plate_nesting = 2  # the plate of the model, and that of the particles
    svi = PyroSVI(program, AutoNormal(program), pyro.optim.Adam({"lr": 0.01}), loss)
    for _ in range(20):
        svi.step(**tensors)
    began = time.process_time()
    for _ in range(steps):
        svi.step(**tensors)
    return particles * steps / (time.process_time() - began)


def by_probgen(program, data, steps):
    """Gradients per second of the training alone, compiled and started before."""
    density, _ = density_of(program, data)
    initial = initialise(density, 4, 1, "uniform")
    method = pg.SVI("mean_field", steps=steps, tolerance=None)
    fit_guide(density, pg.SVI("mean_field", steps=20), initial, seed=1)
    clock = {"began": 0.0}

    def watch(fitting):
        if fitting.step_number == 1:
            clock["began"] = time.process_time()

    fitted = fit_guide(density, method, initial, seed=1, watch=watch)
    assert np.isfinite(fitted.losses).all()
    return 16 * (steps - 1) / (time.process_time() - clock["began"])


if __name__ == "__main__":
    main()
