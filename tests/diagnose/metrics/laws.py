"""Two-dimensional and Gaussian laws that metrics are tried on, and ways to break a sample."""

import numpy as np

CENTRES = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
SD = 0.05


def ring(rows, seed, modes=8, sd=SD):
    """Rows of a mixture of modes on a circle."""
    rng = np.random.default_rng(seed)
    which = rng.integers(modes, size=rows)
    return CENTRES[which] + sd * rng.standard_normal((rows, 2))


def normal(rows, seed, mean=0.0, sd=1.0, width=4):
    return mean + sd * np.random.default_rng(seed).standard_normal((rows, width))
