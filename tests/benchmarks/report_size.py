"""Seconds and size of the report on runs of many parameters.

    python -m tests.benchmarks.report_size [SCALARS ...]

Each run has 4 chains x 1000 draws of random numbers, a twentieth of the parameters badly mixed,
with energies, predictive draws and log likelihoods of 500 observations. Target: 200 parameters
in less than 20 s, pages below 5 MB.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr
from arviz_base import from_dict

OBSERVATIONS = 500


def run_of(scalars: int, chains: int = 4, draws: int = 1000) -> xr.DataTree:
    """A run with all groups that the report looks at."""
    rng = np.random.default_rng(0)
    beta = rng.normal(size=(chains, draws, scalars))
    beta[0, :, : scalars // 20] += 1.0
    y = rng.normal(size=OBSERVATIONS)
    mean = beta[..., :1]
    energy = rng.normal(size=(chains, draws))
    groups = {
        "posterior": {"beta": beta},
        "sample_stats": {
            "energy": energy,
            "lp": -energy,
            "diverging": rng.random((chains, draws)) < 0.01,
        },
        "posterior_predictive": {"y": mean + rng.normal(size=(chains, draws, OBSERVATIONS))},
        "log_likelihood": {"y": -0.5 * (y - mean) ** 2},
        "observed_data": {"y": y},
    }
    return from_dict(groups)


def main() -> None:
    """Print a line per size: parameters, seconds of wall and of processor, bytes."""
    started = time.perf_counter()
    from probgen.diagnose.report import report

    print(f"import {time.perf_counter() - started:.2f} s")
    for scalars in [int(text) for text in sys.argv[1:]] or [10, 200, 2000]:
        tree = run_of(scalars)
        with tempfile.TemporaryDirectory() as folder:
            wall, cpu = time.perf_counter(), time.process_time()
            path = report(tree, Path(folder) / "report.html")
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            size = path.stat().st_size / 1e6
        print(f"{scalars:6d} parameters: {wall:6.2f} s wall, {cpu:6.2f} s CPU, {size:.2f} MB")


if __name__ == "__main__":
    main()
