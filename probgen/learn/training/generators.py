"""The global random number generators of torch, NumPy and Python, as values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["generator_states", "put_back", "seed_generators", "set_generators"]


def generator_states() -> dict[str, Any]:
    """All that later draws depend on."""
    name, keys, *rest = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),
        "numpy": [str(name), np.asarray(keys).astype(np.int64), [float(x) for x in rest]],
        "python": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_generators(states: dict[str, Any]) -> None:
    """Go on from `generator_states`."""
    torch.set_rng_state(states["torch"])
    name, keys, (position, has_gauss, cached) = states["numpy"]
    words = np.asarray(keys).astype(np.uint32)
    np.random.set_state((name, words, int(position), int(has_gauss), cached))
    random.setstate(states["python"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def seed_generators(seed: int) -> None:
    """Start all of them from one seed."""
    torch.manual_seed(seed % (1 << 63))
    np.random.seed(seed % (1 << 32))
    random.seed(seed)


@contextmanager
def put_back() -> Iterator[None]:
    """Leave the generators as they were found."""
    before = generator_states()
    try:
        yield
    finally:
        set_generators(before)
