"""Where a training runs: device, precision, and the processes that share its rows.

Lightning Fabric finds device, launcher and neighbours, whether a script was started by itself
(`devices=2` starts the others), by `torchrun` or by `fabric run`. Gradients are averaged here over
one flat buffer per update rather than by hooks of a wrapper, because learners call their modules
in any order and number, and some set gradients by hand; the parameters are those of the one
process at the start, and so they stay equal.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.training.options import TrainingOptions

__all__ = ["Place", "place_of"]

_DTYPES = {"32": torch.float32, "64": torch.float64, "bf16": torch.bfloat16}
_SPELLINGS = {"32-true": "32", "64-true": "64", "bf16-true": "bf16", "bf16": "bf16-mixed"}
"""Fabric's own words for precisions, where they are not those of `fit`."""


class Place:
    """A device, its arithmetic, and the other processes."""

    def __init__(self, fabric: Any, precision: str | None) -> None:
        self.device: torch.device = fabric.device
        self.rank: int = fabric.global_rank
        self.world: int = fabric.world_size
        self.dtype = _DTYPES.get(str(precision))
        """Of parameters; None leaves them in the type they have."""
        self._fabric = fabric
        self._mixed = precision == "bf16-mixed"

    def autocast(self) -> AbstractContextManager:
        """The context of a step."""
        return self._fabric.autocast() if self._mixed else nullcontext()

    def same(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the values that process 0 has, in place."""
        if self.world > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor.data, 0)

    def average(self, tensors: Sequence[Tensor], share: float) -> None:
        """The mean over processes of `tensors` times their shares, in place."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat.mul_(share / self.world))
        start = 0
        for tensor in tensors:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum over processes."""
        return self._reduced(values, "SUM")

    def largest(self, values: np.ndarray) -> np.ndarray:
        """The maximum over processes."""
        return self._reduced(values, "MAX")

    def barrier(self) -> None:
        """Wait for all."""
        if self.world > 1:
            self._fabric.barrier()

    def _reduced(self, values: np.ndarray, how: str) -> np.ndarray:
        if self.world == 1:
            return values
        tensor = torch.as_tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(tensor, getattr(torch.distributed.ReduceOp, how))
        return tensor.cpu().numpy()


def place_of(options: TrainingOptions) -> Place:
    """The place that options and environment name.

    Raises `OptionError` for a device that is not there.
    """
    precision = options.precision
    if "LT_PRECISION" in os.environ:  # `fabric run --precision`
        named = os.environ["LT_PRECISION"]
        precision = _SPELLINGS.get(named, named)
        replace(options, precision=precision)  # which refuses what there is not
    mixed = precision if precision == "bf16-mixed" else "32-true"
    return Place(_fabric(options.device, options.devices, mixed), precision)


@functools.cache
def _fabric(device: str, devices: int, precision: str) -> Any:
    from lightning_fabric import Fabric

    kind, _, number = str(device).partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device={device!r}: torch finds no CUDA device; use device='cpu'.")
    by_fabric_run = os.environ.get("LT_CLI_USED") == "1"
    arguments: dict[str, Any] = {"accelerator": kind, "precision": precision}
    if by_fabric_run:  # which says the rest, and must not be contradicted
        named = {n: v for n, v in arguments.items() if f"LT_{n.upper()}" not in os.environ}
        return Fabric(**named)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        arguments["num_nodes"] = int(os.environ["WORLD_SIZE"]) // devices
        arguments["strategy"] = "ddp"
    else:
        arguments["strategy"] = "ddp" if devices > 1 else "auto"
    arguments["devices"] = [int(number)] if number and devices == 1 else devices
    try:
        fabric = Fabric(**arguments)
        fabric.launch()
    except (ValueError, TypeError, RuntimeError) as error:
        raise OptionError(f"device={device!r}, devices={devices}: {error}") from error
    return fabric
