"""Binary units given their activations: means and draws in one pass, by the fastest way there is.

The compiled pass serves float32 and bfloat16 on a CPU; torch serves the rest. Each gives the same
numbers for the same key, whatever the threads, but not the same as the other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from probgen.nets.boltzmann.native.library import library

__all__ = ["binary_units", "compiled"]

_LARGE = 1 << 20  # numbers from which rows are shared among threads


def compiled(like: Tensor) -> bool:
    """Whether the compiled pass serves tensors like this one."""
    served = like.device.type == "cpu" and like.dtype in (torch.float32, torch.bfloat16)
    return served and library() is not None


def binary_units(
    activation: Tensor,
    bias: Tensor,
    key: int,
    *,
    drawn: Tensor | None = None,
    mean: Tensor | None = None,
    total: Tensor | None = None,
    scale: float = 1.0,
    beta: Tensor | None = None,
) -> None:
    """Write draws and means of binary units with log-odds beta (activation + bias).

    Args:
        activation: (rows, units), float32 or bfloat16 (any floating type without the compiler).
        bias: (units,), float32 if the activations are bfloat16.
        key: of the random numbers, see `Stream.key`.
        drawn: of the activations' shape and type; becomes 0 or 1.
        mean: likewise; becomes `scale` times the probability of 1.
        total: of the biases' type, (units,); the sum over rows of `mean`, or else of `drawn`, is
            added to it.
        scale: of the means.
        beta: inverse temperatures, (rows,).

    """
    tensors = [t for t in (activation, bias, drawn, mean, total, beta) if t is not None]
    single = all(t.dtype == torch.float32 for t in (bias, total, beta) if t is not None)
    if compiled(activation) and single and all(t.is_contiguous() for t in tensors):
        _compiled_pass(activation, bias, key, drawn, mean, total, scale, beta)
        return
    odds = activation.to(bias.dtype) + bias
    probability = torch.sigmoid_(odds if beta is None else odds * beta[:, None])
    if drawn is not None:
        random = torch.Generator(activation.device).manual_seed(key >> 1)
        uniform = torch.empty_like(probability).uniform_(generator=random)
        drawn.copy_(uniform < probability)
    if mean is not None:
        mean.copy_(probability.mul_(scale))
    if total is not None:
        added = drawn if mean is None else probability
        assert added is not None
        total += added.sum(0, dtype=total.dtype)


def _compiled_pass(
    activation: Tensor, bias: Tensor, key: int, drawn: Tensor | None, mean: Tensor | None,
    total: Tensor | None, scale: float, beta: Tensor | None,
) -> None:  # fmt: skip
    loaded = library()
    assert loaded is not None
    single = activation.dtype == torch.float32
    function = loaded.probgen_binary_float if single else loaded.probgen_binary_bfloat16
    tensors = (activation, bias, beta, drawn, mean, total)
    pointers = [None if t is None else t.data_ptr() for t in tensors]
    rows, columns = activation.shape
    if rows * columns < _LARGE or total is not None or torch.get_num_threads() == 1:
        function(*pointers, scale, 0, rows, columns, key)
        return
    threads = torch.get_num_threads()
    cuts = [rows * i // threads for i in range(threads + 1)]
    work = [
        _pool(threads).submit(function, *pointers, scale, first, last, columns, key)
        for first, last in pairwise(cuts)
    ]
    for part in work:
        part.result()


@lru_cache(maxsize=2)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "binary-units")
