"""The optimiser of a machine: decay for weights alone, and a fused pass for plain descent."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

from probgen.errors import OptionError
from probgen.learn.boltzmann.descent import Descent
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.native.descent import descends

__all__ = ["make_optimiser"]


def make_optimiser(
    machine: BoltzmannMachine, chosen: Any, momentum: float, weight_decay: float
) -> Optimizer:
    """An optimiser of all parameters; its learning rate is set by the loop before every step.

    `chosen` is "sgd", the name of another class of `torch.optim`, or a function from parameter
    groups to an optimiser. Raises `OptionError` for an unknown name.
    """
    weights = list(machine.weights)
    others = [*machine.biases, *([machine.log_variance] if len(machine.log_variance) else [])]
    groups = [
        {"params": weights, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if not weight_decay:
        groups = [{"params": weights + others}]
    if callable(chosen):
        optimiser = chosen(groups)
        if not isinstance(optimiser, Optimizer):
            raise OptionError(f"optimiser={chosen!r} gave {optimiser!r}, not a torch optimiser.")
        return optimiser
    known: dict[str, Any] = {
        name.lower(): value
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    }
    if str(chosen).lower() not in known:
        raise OptionError(f"optimiser={chosen!r} must be one of {', '.join(sorted(known))}.")
    if str(chosen).lower() == "sgd":
        if all(descends(parameter) for parameter in weights + others):
            return Descent(groups, momentum)
        return torch.optim.SGD(groups, lr=1.0, momentum=momentum, fused=True)
    return known[str(chosen).lower()](groups)
