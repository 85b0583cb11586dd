"""Whether matrix products of binary states are worth doing in bfloat16 on this device.

States are 0 or 1, which bfloat16 holds exactly; weights and activations are rounded to 8 bits of
precision. Where the processor has instructions for it (AMX, AVX-512 BF16, tensor cores) a product
takes a third of the time or less; elsewhere far more.
"""

from __future__ import annotations

import time
from functools import lru_cache

import torch

__all__ = ["bfloat16_pays"]

_CLEARLY = 1.3  # times faster, so that the answer does not change from run to run
_SMALL = 1 << 22  # multiplications below which products are not what takes the time


@lru_cache(maxsize=64)
def bfloat16_pays(rows: int, low: int, high: int, device: str) -> bool:
    """Whether the products of one sweep, (rows, low) with (low, high), are clearly faster.

    Measured once in a process for each shape, in some milliseconds.
    """
    if rows * low * high < _SMALL:
        return False
    return _seconds(rows, low, high, device, torch.float32) > _CLEARLY * _seconds(
        rows, low, high, device, torch.bfloat16
    )


def _seconds(rows: int, low: int, high: int, device: str, dtype: torch.dtype) -> float:
    """Least seconds of a product and its transpose."""
    states = torch.ones(rows, low, dtype=dtype, device=device)
    weights = torch.ones(low, high, dtype=dtype, device=device)
    up, down = states @ weights, torch.empty_like(states)
    best = float("inf")
    for _ in range(6):
        _wait(device)
        start = time.perf_counter()
        torch.mm(states, weights, out=up)
        torch.mm(up, weights.T, out=down)
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return best


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
