"""A training step of flows through `fit` against the bare loop over zuko, on one core.

    python -m tests.benchmarks.flow_step [--rounds 7] [--kinds maf nsf] [--rows 10000]

Both take the same minibatches of the same rows, with the same architecture and optimiser (Adam;
the bare loop as zuko's own tutorial writes it, and also with torch's fused Adam, which `fit`
takes). Tools take turns and the best round counts, in CPU time; of `fit` whole calls, of which
the difference between two numbers of epochs is taken, so that setting up does not count.
"""

from __future__ import annotations

import argparse
import os
import time

from tests.benchmarks import clock

if __name__ == "__main__":  # before the numerical libraries are loaded
    os.environ.update(clock.one_thread_environment())

import torch
import zuko
from torch import Tensor

import probgen as pg
from probgen.nets.flows.model import FlowModel
from tests.benchmarks import harness
from tests.benchmarks.table import markdown

BARE = {"maf": zuko.flows.MAF, "nsf": zuko.flows.NSF, "realnvp": zuko.flows.RealNVP}


def bare(kind: str, x: Tensor, batch: int, epochs: int, fused: bool) -> float:
    """CPU seconds of the loop over zuko."""
    torch.manual_seed(0)
    settings = {"transforms": 4} if kind == "realnvp" else {}
    flow = BARE[kind](x.shape[1], 0, hidden_features=(64, 64), **settings)
    optimiser = torch.optim.Adam(flow.parameters(), lr=1e-3, fused=fused)
    started = time.process_time()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for rows in order.split(batch):
            loss = -flow().log_prob(x[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return time.process_time() - started


def through_fit(kind: str, x: Tensor, batch: int, epochs: int) -> float:
    """CPU seconds of `fit`."""
    model, method = FlowModel(kind, x.shape[1]), pg.MaximumLikelihood()
    started = time.process_time()
    pg.fit(model, method, data=x, epochs=epochs, batch_size=batch, seed=0, progress=False)
    return time.process_time() - started


def main() -> None:
    """Measure in turns, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kinds", nargs="+", default=list(BARE), choices=list(BARE))
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.distributions.Distribution.set_default_validate_args(False)  # as zuko would have it
    x = torch.randn(given.rows, given.features, generator=torch.Generator().manual_seed(0))
    steps = -(-given.rows // given.batch)
    lines = []
    for kind in given.kinds:
        tools = {
            "bare": lambda e, k=kind: bare(k, x, given.batch, e, False),
            "bare, fused Adam": lambda e, k=kind: bare(k, x, given.batch, e, True),
            "fit": lambda e, k=kind: through_fit(k, x, given.batch, e),
        }
        best = dict.fromkeys(tools, float("inf"))
        for _ in range(given.rounds):
            for name, tool in tools.items():
                seconds = tool(2) - tool(1)
                best[name] = min(best[name], seconds / steps)
        ratios = [f"{best['fit'] / best[name]:.3f}" for name in ("bare", "bare, fused Adam")]
        lines.append([kind, *(f"{1e3 * value:.2f}" for value in best.values()), *ratios])
    print(f"{harness.processor()}; {given.features} features, batch {given.batch}, CPU time\n")
    columns = ["flow", "bare, ms", "bare fused, ms", "fit, ms", "fit / bare", "fit / bare fused"]
    print(markdown(columns, lines))


if __name__ == "__main__":
    main()
