"""Flows as densities of real tables: test log-likelihoods beside normal baselines.

    python -m tests.benchmarks.flow_tables [--data DIR] [--splits 3] [--tables concrete energy]

Tables are UCI regression sets, inputs and answer together, with their published splits (90 % to
train on, of which 15 % decide when to stop). Values that are recorded on a grid get uniform noise
of the grid's width (the median gap between neighbouring values, of the training rows), without
which any density model could be infinitely right; then columns are standardised by the training
rows. Numbers are nats per test row of these standardised columns, the mean over splits with its
standard error. "normal" is the maximum likelihood normal with all covariances, "mixture" one of
8 such normals. The tables are looked for in `PROBGEN_DATA`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import probgen as pg
from probgen.nets.flows.model import FlowModel
from tests.benchmarks.table import markdown
from tests.reference_data import find_reference_data

TABLES = ("power-plant", "wine-quality-red", "concrete", "energy")
KINDS = ("gmm", "realnvp", "maf", "nsf")
SHOWN = {"gmm": "mixture"}
SETTINGS = {
    "gmm": {"components": 8},
    "realnvp": {"transforms": 8, "hidden": (64, 64)},
    "maf": {"transforms": 4, "hidden": (64, 64)},
    "nsf": {"transforms": 2, "hidden": (64, 64), "bins": 8},
}


def read(path: Path, split: int) -> tuple[Tensor, Tensor]:
    """Training and test rows of one published split, standardised."""
    with np.load(path, allow_pickle=False) as stored:
        rows = np.column_stack([stored["X"], stored["y"]]).astype(np.float64)
        test = stored["test_index"][split]
    train = np.setdiff1d(np.arange(len(rows)), test)
    random = np.random.default_rng(split)
    width = np.array([np.median(np.diff(np.unique(column))) for column in rows[train].T])
    rows = rows + width * random.uniform(-0.5, 0.5, rows.shape)
    rows = (rows - rows[train].mean(0)) / rows[train].std(0)
    return torch.from_numpy(rows[train]).float(), torch.from_numpy(rows[test]).float()


def normal(train: Tensor, test: Tensor) -> float:
    """Of the maximum likelihood normal."""
    law = torch.distributions.MultivariateNormal(train.mean(0), train.T.cov(correction=0))
    return float(law.log_prob(test).mean())


def score(kind: str, train: Tensor, test: Tensor, seed: int) -> float:
    """Mean test log-likelihood of a fitted flow, nats."""
    model = FlowModel(kind, train.shape[1], seed=seed, **SETTINGS.get(kind, {}))
    rate = 3e-3 if kind == "gmm" else 1e-3
    method = pg.MaximumLikelihood(learning_rate=rate, optimiser="adamw", weight_decay=1e-2)
    batch, epochs = (256, 100) if len(train) > 2000 else (64, 300)
    fit = pg.fit(
        model, method, data=train, validation=0.15, patience=20, epochs=epochs, batch_size=batch,
        seed=seed, clip=5.0, progress=False,
    )  # fmt: skip
    with torch.no_grad():
        return float(fit.model.log_prob(test).mean())


def main() -> None:
    """Fit every kind to every table and split, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--tables", nargs="+", default=TABLES)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    given = parser.parse_args()
    folder = given.data or find_reference_data("tabular", "uci_regression")
    if folder is None:
        sys.exit("The tables are absent: set PROBGEN_DATA or give --data.")
    lines = []
    for table in given.tables:
        line = [table]
        found: dict[str, list[float]] = {name: [] for name in ("normal", *given.kinds)}
        started = time.perf_counter()
        for split in range(given.splits):
            train, test = read(folder / f"{table}.npz", split)
            found["normal"].append(normal(train, test))
            for kind in given.kinds:
                found[kind].append(score(kind, train, test, split))
                print(table, split, kind, f"{found[kind][-1]:.3f}", file=sys.stderr, flush=True)
        line += [str(len(train)), str(train.shape[1])]
        for values in found.values():
            error = f" ± {np.std(values, ddof=1) / len(values) ** 0.5:.2f}" if values[1:] else ""
            line.append(f"{np.mean(values):.2f}{error}")
        lines.append([*line, f"{time.perf_counter() - started:.0f}"])
    shown = [SHOWN.get(kind, kind) for kind in given.kinds]
    print(markdown(["table", "rows", "columns", "normal", *shown, "s"], lines))


if __name__ == "__main__":
    main()
