"""The optimiser of a machine: decay for weights alone, and a fused pass for plain descent."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from probgen.learn.boltzmann.descent import Descent
from probgen.learn.training.optimisers import named_optimiser
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
    if str(chosen).lower() == "sgd" and not callable(chosen):
        if all(descends(parameter) for parameter in weights + others):
            return Descent(groups, momentum)
        return named_optimiser(groups, "sgd", fused=True, lr=1.0, momentum=momentum)
    return named_optimiser(groups, chosen)
