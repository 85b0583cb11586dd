"""The random numbers of `counter_random.hpp` in numpy, for twins of the native engines."""

from __future__ import annotations

import numpy as np

__all__ = ["uniforms"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniforms(key: int, row: int | np.ndarray, column: int | np.ndarray) -> np.ndarray:
    """Uniform numbers in [0, 1) of the stream `key`, 53 bits, a function of row and column alone.

    `row` is sweep times variables plus variable, `column` the chain; they are broadcast.
    """
    with np.errstate(over="ignore"):
        base = _mix(np.uint64(key % 2**64) + _words(row) * _GOLDEN)
        bits = _mix(base + _words(column) * _GOLDEN)
    return np.asarray((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _words(numbers: int | np.ndarray) -> np.ndarray:
    """As 64 bits: integers of any size lose their higher ones."""
    if isinstance(numbers, int):
        numbers %= 2**64
    return np.asarray(numbers).astype(np.uint64)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
