"""AIS of the published machine with 500 hidden units (Salakhutdinov & Murray 2008), one core.

    python -m tests.benchmarks.boltzmann_ais [--chains 100] [--seed 1] [--betas 1000 10000]

The published test log-likelihood is -86.34 nats. Every row is one call of `log_likelihood` on the
10,000 test images: the mean with the error of log Z, three errors of log Z to both sides, the
effective number of particles, the conservative estimate, and CPU seconds; or why it was refused.
The weights are looked for in `PROBGEN_DATA`.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import torch

from probgen.errors import SamplingError
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.log_likelihood import log_likelihood
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from tests.reference_data import find_reference_data

from .table import markdown

COLUMNS = (
    "schedule", "base", "betas", "log-likelihood", "log Z, three errors", "ESS", "walks back",
    "RAISE", "CPU s",
)  # fmt: skip


def published_machine(path):
    """The machine and the 10,000 test images, (10000, 784)."""
    with np.load(path, allow_pickle=False) as stored:
        machine = BoltzmannMachine([Units("x", 784), Units("h", 500)])
        with torch.no_grad():
            machine.weights[0].copy_(torch.from_numpy(stored["W"]))
            machine.biases[0].copy_(torch.from_numpy(stored["visible_bias"]))
            machine.biases[1].copy_(torch.from_numpy(stored["hidden_bias"]))
        images = np.unpackbits(stored["test_packed"], axis=1)[:, :784]
    return machine, torch.from_numpy(images)


def row(machine, images, method, chains, seed):
    """One line of the table."""
    started = time.process_time()
    how = [method.schedule, method.base, str(method.betas)]
    try:
        found = log_likelihood(machine, images, method, chains=chains, seed=seed)
    except SamplingError as error:
        refused = f"refused: {str(error).split(';')[0].removeprefix('AnnealedImportance: ')}"
        return [*how, refused, "", "", "", "", f"{time.process_time() - started:.0f}"]
    log_z, below = found.log_z, found.conservative
    return [
        *how,
        f"{found.mean:.3f} +- {found.error:.3f}",
        f"{log_z.value:.3f} ({log_z.interval[0]:.3f} to {log_z.interval[1]:.3f})",
        f"{log_z.ess:.1f} of {chains}",
        f"{log_z.above:.3f} +- {log_z.above_error:.3f}",
        f"{below.mean:.2f} +- {below.spread:.2f} (gap {below.gap:.2f})",
        f"{time.process_time() - started:.0f}",
    ]


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--betas", type=int, nargs="*", default=[1000, 10_000])
    options = parser.parse_args(arguments)
    path = find_reference_data("rbm", "cd25_500_salakhutdinov_murray.npz")
    if path is None:
        print("The weights are absent: set PROBGEN_DATA.", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    machine, images = published_machine(path)
    ways = [
        ("linear", "uniform"),
        ("linear", "data"),
        ("three-part", "data"),
        ("adaptive", "data"),
    ]
    rows = [
        row(
            machine,
            images,
            AnnealedImportance(betas=betas, schedule=schedule, base=base, sweeps=1),
            options.chains,
            options.seed,
        )
        for betas in options.betas
        for schedule, base in ways
    ]
    print(markdown(COLUMNS, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
