"""How long `diagnose` takes on 10,000 scalars, 4 chains x 1000 draws, and how much memory.

Run by hand: ``python tests/benchmarks/diagnose_size.py [scalars] [chains] [draws]``. The draws
are made up: hierarchical, autocorrelated, with a few divergences, so that every check has work.
"""

import resource
import sys
import time

import numpy as np
from arviz_base import from_dict

from probgen.diagnose import diagnose


def run(scalars: int = 10_000, chains: int = 4, draws: int = 1000) -> None:
    """Print seconds of wall and of processor time, and megabytes over those of the draws."""
    rng = np.random.default_rng(1)
    shape = (chains, draws)
    scale = np.exp(rng.normal(0, 0.5, shape))
    theta = rng.normal(size=(*shape, scalars - 1))
    theta[:, 1:] += 0.5 * theta[:, :-1]
    theta *= scale[..., None]
    energy = rng.normal(scalars / 2, np.sqrt(scalars / 2), shape)
    stats = {
        "lp": -energy,
        "energy": energy,
        "diverging": rng.random(shape) < 0.005,
        "tree_depth": rng.integers(2, 8, shape),
        "acceptance_rate": rng.uniform(0.7, 0.95, shape),
        "step_size": np.full(shape, 0.1),
    }
    tree = from_dict({"posterior": {"scale": scale, "theta": theta}, "sample_stats": stats})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, used = time.perf_counter(), time.process_time()
    verdict = diagnose(tree)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(verdict.headline)
    print(
        f"{scalars} scalars x {chains} chains x {draws} draws: {wall:.2f} s "
        f"({used:.2f} s of processor time), {memory:.0f} MiB more than the draws' "
        f"{theta.nbytes / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
