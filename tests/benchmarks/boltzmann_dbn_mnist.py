"""A deep belief network on binarised MNIST whose bound is better than its lowest machine's.

    python -m tests.benchmarks.boltzmann_dbn_mnist --data FILE --machine mnist.fit --minutes 20

FILE is that of `boltzmann_mnist`, and `mnist.fit` what it trained: a finished training store, or a
file that `save` of a fit wrote. The top machine starts as the lowest one turned over, which leaves
the likelihood as it was, and has further units if `--top` says so; it learns what recognition
draws of every case anew in each step. Its gain is bounded by what the aggregated posterior and the
lowest machine's own law of the hidden layer differ in, so that noise of the gradient easily costs
more than is gained: many chains, a low rate that falls to nothing (Hinton, Osindero & Teh 2006;
for the measure: Salakhutdinov & Murray 2008, whose network has 500 and 2000 hidden units).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

import probgen as pg
from probgen.errors import SamplingError
from probgen.learn.boltzmann.greedy import GreedyLayers, turn_over
from probgen.learn.boltzmann.methods import PCD
from probgen.learn.training.schedules import Linear
from probgen.models.dbn import DBN
from probgen.models.rbm import RBM
from probgen.nets.stream import Stream
from tests.benchmarks.boltzmann_gain import gain
from tests.benchmarks.boltzmann_mnist import MONITORED, PIXELS, epochs_in, read
from tests.benchmarks.table import markdown

SAMPLES = 100
CHAINS, BURN_IN = 500, 2000  # of the gain


def main() -> None:
    """Train the top machine for so many minutes, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--machine", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--top", type=int, default=PIXELS)
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--rate", type=float, default=0.002)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--betas", type=int, default=30_000)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--cases", type=int, default=10_000, help="of the test set")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--save", type=Path, default=None, help="file for the network")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    train, valid, test = (read(given.data, part) for part in ("train", "valid", "test"))
    machine = trained(given, {"x": train}, {"x": valid[:MONITORED]})
    network = DBN(PIXELS, (given.hidden, given.top))
    network.machines[0].load_state_dict(machine.state_dict())
    with torch.no_grad():
        network.recognition[0].copy_(machine.weights[0])
    turn_over(network, 1)
    rows = [judged("RBM", machine, test, given), judged("DBN, start", network, test, given)]
    print(markdown(COLUMNS, rows), flush=True)
    method = GreedyLayers(
        PCD(k=given.k, learning_rate=Linear(given.rate, 0.0), momentum=given.momentum),
        shares=(0, 1),
    )
    epochs = epochs_in(given.minutes, network, method, train, given.batch)
    fit = pg.fit(
        network, method, data={"x": train}, epochs=epochs, batch_size=given.batch, seed=1,
    )  # fmt: skip
    if given.save is not None:
        fit.save(given.save)
    rows.append(judged(f"DBN, {epochs} epochs", fit.model, test, given))
    print(markdown(COLUMNS, rows), flush=True)
    print("gain of the bound, nats, from log Z between start and end:")
    for way, (value, error) in gained(network, fit.model, train, test).items():
        print(f"{way} {value:.3f} +- {error:.3f}")


@torch.no_grad()
def gained(start: DBN, end: DBN, train: torch.Tensor, test: torch.Tensor) -> dict:
    """The gain of the bound on the test set, by chains from recognised training cases."""
    stream = Stream(1)
    some = train[torch.randperm(len(train), generator=stream.generator())[:CHAINS]]
    starts, cases = (end.recognise(states, stream)[-1] for states in (some, test))
    return gain(start.top, end.top, starts, cases, burn_in=BURN_IN)


COLUMNS = (
    "test set", "log-likelihood or bound", "importance-sampled", "of log Z: error, interval",
    "ESS", "CPU s",
)  # fmt: skip


def judged(name: str, model: RBM | DBN, test: torch.Tensor, given: argparse.Namespace) -> list:
    """A row: nats per case with the error of log Z, which is common to both columns of one."""
    method = pg.AnnealedImportance(betas=given.betas, schedule="three-part", sweeps=1)
    options = {"samples": SAMPLES} if isinstance(model, DBN) else {}
    start, cases = time.process_time(), {"x": test[: given.cases]}
    try:
        found = pg.log_likelihood(model, cases, method, chains=given.chains, seed=1, **options)
    except SamplingError as error:
        return [name, f"refused: {str(error).split(';')[0]}", "", "", "", ""]
    seconds, log_z = time.process_time() - start, found.log_z
    error = f"{log_z.error:.3f}, {log_z.interval[0]:.2f} to {log_z.interval[1]:.2f}"
    bound, value = f"{found.mean:.3f}", ""
    if found.variational is not None:
        bound, value = f"{found.variational.mean():.3f}", f"{found.mean:.3f}"
    return [name, bound, value, error, f"{log_z.ess:.0f} of {given.chains}", f"{seconds:.0f}"]


def trained(given: argparse.Namespace, data: dict, validation: dict) -> RBM:
    """The machine that was trained before."""
    machine = RBM(PIXELS, given.hidden)
    if given.machine.is_dir():
        return pg.resume(given.machine, machine, data=data, validation=validation).model
    return pg.load_fit(given.machine, machine).model


if __name__ == "__main__":
    main()
