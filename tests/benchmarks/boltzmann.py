"""Boltzmann machines on one core: learning and sampling against peers, in CPU time.

    python -m tests.benchmarks.boltzmann [--visible 784] [--hidden 500] [--rounds 4]

Tools take turns in one process, and the best of several rounds counts. Learning: PCD-1 on
minibatches of 100 (learnergy has CD-1 only), whole calls of `fit`, of which the difference between
two numbers of epochs is taken, so that setting up does not count. Sampling: block Gibbs sweeps of
100 chains. The share of the GEMM rate is the arithmetic of the matrix products that a step needs
(10 B V H for PCD-1, 4 B V H for a sweep) over what the core does of such products alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
import warnings

from tests.benchmarks import clock

if __name__ == "__main__":  # before the numerical libraries are loaded
    os.environ.update(clock.one_thread_environment())
    clock.pin_to(sorted(os.sched_getaffinity(0))[-1])

import numpy as np
import torch

from tests.benchmarks import harness
from tests.benchmarks.table import markdown

BATCH, CASES = 100, 3000


def main() -> None:
    """Measure all tools in turns, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visible", type=int, default=784)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    shape = (given.visible, given.hidden)
    data = patterns(given.visible)
    print(f"{harness.processor()}; {shape[0]}x{shape[1]}, CPU time, one core\n")
    rates = {kind: gemm_rate(*shape, kind) for kind in (torch.float32, torch.bfloat16)}
    print("GEMM " + ", ".join(f"{k}: {r / 1e9:.0f} GFLOP/s" for k, r in rates.items()) + "\n")
    learning = {
        "probgen PCD-1, bfloat16 products": lambda e: probgen_fit(data, shape[1], e, "bfloat16"),
        "probgen PCD-1, float32": lambda e: probgen_fit(data, shape[1], e, "float32"),
        "scikit-learn PCD-1, float32": lambda e: sklearn_fit(data, shape[1], e),
        "learnergy CD-1, float32": lambda e: learnergy_fit(data, shape[1], e),
    }
    sampling = {
        "probgen, bfloat16 products": probgen_sweep(shape, True),
        "probgen, float32": probgen_sweep(shape, False),
        "scikit-learn, float32": sklearn_sweep(data, shape[1]),
    }
    steps = best_of(given.rounds, {name: per_step(run) for name, run in learning.items()})
    sweeps = best_of(given.rounds, {name: per_call(run) for name, run in sampling.items()})
    work = 2 * BATCH * shape[0] * shape[1]
    for title, found, products in (("PCD-1 step", steps, 5), ("sweep", sweeps, 2)):
        peers = {n: s for n, s in found.items() if not n.startswith("probgen")}
        header = [
            title,
            "ms",
            "per second",
            *(f"times {n.split()[0].strip(',')}" for n in peers),
            "of GEMM",
        ]
        rows = []
        for name, seconds in found.items():
            rate = rates[torch.bfloat16 if "bfloat16" in name else torch.float32]
            share = f"{products * work / seconds / rate:.0%}" if name not in peers else ""
            ratios = [f"{peer / seconds:.2f}" for peer in peers.values()]
            rows.append([name, f"{seconds * 1e3:.2f}", f"{1 / seconds:.0f}", *ratios, share])
        print(markdown(header, rows) + "\n")


def patterns(visible: int) -> np.ndarray:
    """Noisy copies of twenty random images, float32."""
    random = np.random.default_rng(0)
    images = random.random((20, visible)) < 0.3
    flips = random.random((CASES, visible)) < 0.05
    return (images[random.integers(0, 20, CASES)] ^ flips).astype(np.float32)


def per_step(run):
    """CPU seconds of a minibatch by a function of epochs; NaN where the tool is absent."""

    def measure() -> float:
        seconds = []
        for epochs in (1, 4):
            start = time.process_time()
            try:
                run(epochs)
            except ImportError:
                return float("nan")
            seconds.append(time.process_time() - start)
        return (seconds[1] - seconds[0]) / (3 * CASES / BATCH)

    return measure


def per_call(run, calls: int = 60):
    """CPU seconds of a call."""

    def measure() -> float:
        start = time.process_time()
        for _ in range(calls):
            run()
        return (time.process_time() - start) / calls

    return measure


def best_of(rounds: int, measures) -> dict[str, float]:
    """The least of several rounds in which all take turns, after one that does not count."""
    found = {name: float("inf") for name in measures}
    for number in range(rounds + 1):
        for name, measure in measures.items():
            seconds = measure()
            if number:
                found[name] = min(found[name], seconds) if seconds == seconds else seconds
    return found


def gemm_rate(visible: int, hidden: int, kind: torch.dtype) -> float:
    """Operations per CPU second of the product that takes data and chains to the hidden layer."""
    states = torch.ones(2 * BATCH, visible, dtype=kind)
    weights = torch.ones(visible, hidden, dtype=kind)
    out = states @ weights
    measure = per_call(lambda: torch.mm(states, weights, out=out))
    return 4 * BATCH * visible * hidden / min(measure() for _ in range(6))


def probgen_fit(data: np.ndarray, hidden: int, epochs: int, matmul: str) -> None:
    """Plain PCD-1 as the peers have it."""
    from probgen.inference.fit import fit
    from probgen.learn.boltzmann.methods import PCD
    from probgen.models.rbm import RBM

    method = PCD(learning_rate=0.01, momentum=0.0, centring=False, matmul=matmul)
    options = {"batch_size": BATCH, "seed": 1, "progress": False}
    fit(RBM(data.shape[1], hidden), method, data={"x": data}, epochs=epochs, **options)


def sklearn_fit(data: np.ndarray, hidden: int, epochs: int) -> None:
    """Scikit-learn's stochastic maximum likelihood."""
    from sklearn.neural_network import BernoulliRBM

    options = {"batch_size": BATCH, "learning_rate": 0.01, "random_state": 0}
    BernoulliRBM(n_components=hidden, n_iter=epochs, **options).fit(data)


def learnergy_fit(data: np.ndarray, hidden: int, epochs: int) -> None:
    """Learnergy's contrastive divergence, on automatic gradients."""
    from learnergy.models.bernoulli import RBM

    cases = torch.utils.data.TensorDataset(torch.from_numpy(data), torch.zeros(len(data)))
    machine = RBM(n_visible=data.shape[1], n_hidden=hidden, steps=1, learning_rate=0.01)
    machine.fit(cases, batch_size=BATCH, epochs=epochs)


def probgen_sweep(shape: tuple[int, int], rounded_weights: bool):
    """A function that makes one sweep."""
    from probgen.models.rbm import RBM
    from probgen.nets.boltzmann.block import rounded, sweep
    from probgen.nets.stream import Stream

    machine, stream = RBM(*shape), Stream(1)
    weights = rounded(machine) if rounded_weights else None
    states = [torch.zeros(BATCH, width) for width in shape]

    def run() -> None:
        states[:] = sweep(machine, states, stream, weights=weights)

    return run


def sklearn_sweep(data: np.ndarray, hidden: int):
    """A function that makes one sweep."""
    from sklearn.neural_network import BernoulliRBM

    machine = BernoulliRBM(n_components=hidden, batch_size=BATCH, n_iter=1, random_state=0)
    machine.fit(data[:BATCH])
    states = [data[:BATCH]]

    def run() -> None:
        states[0] = machine.gibbs(states[0]).astype(np.float32)

    return run


if __name__ == "__main__":
    main()
