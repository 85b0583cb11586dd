"""Learning to tell one discrete visible unit from the others: the gradient of log p(unit | rest).

Source: Larochelle & Bengio (2008), "Classification using discriminative restricted Boltzmann
machines".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from probgen.learn.boltzmann.gradient import Gradient
from probgen.nets.boltzmann.conditional import log_conditional, unit_columns
from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["accuracy", "discriminative_gradient"]


def discriminative_gradient(
    machine: BoltzmannMachine, visible: Tensor, target: str
) -> tuple[Gradient, float]:
    """Gradient of the mean of -log p(target | rest), and the share of cases told right."""
    wanted = _wanted(machine, visible, target)
    names, parameters = zip(*machine.named_parameters(), strict=True)
    with torch.enable_grad():
        scores = log_conditional(machine, visible, target)
        loss = functional.nll_loss(scores, wanted)
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    right = (scores.argmax(-1) == wanted).double().mean().item()
    return dict(zip(names, parts, strict=True)), right


@torch.no_grad()
def accuracy(machine: BoltzmannMachine, visible: Tensor, target: str) -> float:
    """Share of cases whose target is the likeliest one given the other visible units."""
    told = log_conditional(machine, visible, target).argmax(-1)
    return (told == _wanted(machine, visible, target)).double().mean().item()


def _wanted(machine: BoltzmannMachine, visible: Tensor, target: str) -> Tensor:
    code = visible[:, unit_columns(machine, target)]
    return code.argmax(-1) if code.shape[-1] > 1 else code[:, 0].long()
