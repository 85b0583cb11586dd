"""Random generators from any integer."""

from __future__ import annotations

import numpy as np

__all__ = ["generator"]


def generator(seed: int, *stream: int) -> np.random.Generator:
    """A generator for a seed (any sign and size) and a stream of that seed."""
    return np.random.default_rng([abs(seed), int(seed < 0), *stream])
