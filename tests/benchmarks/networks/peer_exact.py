"""pyAgrum: all marginals, of a BIF file by LazyPropagation, of a UAI file by Shafer-Shenoy."""

from __future__ import annotations

import time

import numpy as np
import pyagrum as gum

from .peer_pyagrum import all_marginals


def measure(path: str, repeats: int) -> dict[str, float]:
    """CPU seconds of the inference object, its inference and all posteriors: the median."""
    network = gum.loadMRF(path) if path.endswith(".uai") else gum.loadBN(path)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        all_marginals(network, {})
        times.append(time.process_time() - started)
        if sum(times) > 30:
            break
    return {"seconds": float(np.median(times))}
