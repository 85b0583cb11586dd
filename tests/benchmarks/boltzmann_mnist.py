"""A restricted Boltzmann machine on binarised MNIST, from scratch, judged by its likelihood.

    python -m tests.benchmarks.boltzmann_mnist --data FILE --minutes 60 --store mnist.fit

FILE is an .npz with the arrays train, valid and test of the fixed binarised MNIST (Salakhutdinov
& Murray 2008), 784 pixels a row, packed bits or 0/1. Killed or stopped, the same command goes on
from the store. Published for 500 hidden units: -86.34 nats (CD-25, Salakhutdinov & Murray 2008).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

import probgen as pg
from probgen.learn.boltzmann.methods import PCD
from probgen.learn.training.schedules import Linear
from probgen.models.rbm import RBM

PIXELS = 784
MONITORED = 1000  # validation cases looked at after every epoch


def main() -> None:
    """Train for so many minutes, or go on; then estimate the test likelihood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--store", type=Path, default=Path("mnist.fit"))
    parser.add_argument("--hidden", type=int, default=500)
    parser.add_argument("--k", type=int, default=1)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--chains", type=int, default=None)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.5)
    parser.add_argument("--decay", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    train, valid, test = (read(given.data, part) for part in ("train", "valid", "test"))
    data, held_out = {"x": train}, {"x": valid[:MONITORED]}
    machine = RBM(PIXELS, given.hidden)
    if given.store.exists():
        fit = pg.resume(given.store, machine, data=data, validation=held_out)
    else:
        method = method_of(given)
        epochs = epochs_in(given.minutes, machine, method, train, given.batch)
        fit = pg.fit(
            machine, method, data=data, validation=held_out, epochs=epochs,
            batch_size=given.batch, store=given.store, seed=1,
        )  # fmt: skip
    print(fit.summary)
    for name, rows in (("validation", valid), ("test", test)):
        print(name, pg.log_likelihood(fit.model, {"x": rows}))


def method_of(given: argparse.Namespace) -> PCD:
    """Persistent chains, and a rate that falls to nothing, so that they catch up."""
    return PCD(
        k=given.k,
        chains=given.chains,
        learning_rate=Linear(given.rate, 0.0),
        momentum=given.momentum,
        weight_decay=given.decay,
    )


def epochs_in(minutes: float, model, method, train: torch.Tensor, batch: int) -> int:
    """How many epochs fill the time, by the speed of some steps."""
    part = {"x": train[: 100 * batch]}
    pg.fit(model, method, data=part, epochs=1, batch_size=batch, progress=False)
    start = time.perf_counter()
    pg.fit(model, method, data=part, epochs=2, batch_size=batch, progress=False)
    seconds = (time.perf_counter() - start) / 200
    epochs = max(1, math.floor(60 * minutes / (seconds * len(train) / batch)))
    print(f"{seconds * 1e3:.2f} ms a step, {epochs} epochs", flush=True)
    return epochs


def read(path: Path, part: str) -> torch.Tensor:
    """A part of the file as float32 0 or 1, (rows, 784)."""
    with np.load(path, allow_pickle=False) as file:
        name = next(n for n in file.files if n.startswith(part))
        rows = file[name]
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] != PIXELS:
        rows = np.unpackbits(rows, axis=1)[:, :PIXELS]
    return torch.from_numpy(rows.astype(np.float32))


if __name__ == "__main__":
    main()
