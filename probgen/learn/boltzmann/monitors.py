"""Cheap signs of how learning goes. None of them is a likelihood.

The free-energy gap (Hinton 2010) shows overfitting, the pseudo-likelihood (Besag 1975) compares
each unit with its neighbours alone, and the reconstruction error follows one step of a chain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.learn.boltzmann.discriminative import accuracy
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.conditional import log_conditional, unit_columns
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.mean_field import mean_field, variational_free_energy
from probgen.nets.stream import Stream

__all__ = [
    "MONITORS",
    "UNITS",
    "criterion",
    "monitor",
    "pseudo_likelihood",
    "reconstruction_error",
]

MONITORS = {
    "free_energy_gap": "mean free energy of validation less recent training cases "
    "(a monitor of overfitting, not a likelihood)",
    "pseudo_likelihood": "mean log pseudo-likelihood of the discrete visible units, per case "
    "(a monitor, not a likelihood)",
    "reconstruction_error": "mean squared difference after one sweep, per number "
    "(a monitor, not a likelihood)",
    "visible_gap": "root mean square over visible units of the mean of data less machine "
    "(a monitor, not a likelihood)",
}
UNITS = {
    "free_energy_gap": "nats",
    "pseudo_likelihood": "nats",
    "log_likelihood": "nats",
    "accuracy": "1",
    "training_accuracy": "1",
}
_UNITS = 16  # drawn at random for the pseudo-likelihood


def criterion(machine: BoltzmannMachine, target: str | None, exact: bool) -> str:
    """The metric that tells best when to stop; "-" where higher is better."""
    if target is not None:
        return "-accuracy"
    if exact:
        return "-log_likelihood"
    return "-pseudo_likelihood" if _has_conditionals(machine) else "reconstruction_error"


@torch.no_grad()
def monitor(
    machine: BoltzmannMachine, visible: Tensor, training: Tensor | None, target: str | None,
    stream: Stream,
) -> dict[str, float]:  # fmt: skip
    """What there is to say of validation cases, by name.

    Args:
        machine: restricted or deep; the free energy of a deep one is bounded by mean field.
        visible: validation cases, (batch, width).
        training: training cases to compare with.
        target: the site whose states are told from the others.
        stream: of random numbers.

    """
    found = {"reconstruction_error": reconstruction_error(machine, visible, stream)}
    if _has_conditionals(machine):
        found["pseudo_likelihood"] = pseudo_likelihood(machine, visible, stream)
    if training is not None:
        gap = [variational_free_energy(machine, cases).mean() for cases in (visible, training)]
        found["free_energy_gap"] = (gap[0] - gap[1]).item()
    if target is not None:
        found["accuracy"] = accuracy(machine, visible, target)
    return found


def _has_conditionals(machine: BoltzmannMachine) -> bool:
    """Whether a visible unit's law given the others has a closed form."""
    return len(machine.layers) == 2 and any(units.discrete for units in machine.layers[0])


@torch.no_grad()
def reconstruction_error(machine: BoltzmannMachine, visible: Tensor, stream: Stream) -> float:
    """Mean squared difference of states and their means after one draw of the hidden layer."""
    states = sweep(machine, mean_field(machine, visible), stream)
    back = machine.mean(0, machine.activation(0, states))
    return (back - visible).square().mean().item()


@torch.no_grad()
def pseudo_likelihood(
    machine: BoltzmannMachine, visible: Tensor, stream: Stream, most: int = _UNITS
) -> float:
    """Mean over cases of the sum over discrete units of log p(unit | all others), nats.

    Of a random `most` of the units, scaled up to all.
    """
    places = [(u.name, i) for u in machine.layers[0] if u.discrete for i in range(u.size)]
    order = torch.randperm(len(places), generator=stream.generator())[:most].tolist()
    total = 0.0
    for site, unit in (places[place] for place in order):
        code = visible[:, unit_columns(machine, site, unit)]
        if code.shape[-1] == 1:
            code = torch.cat([1 - code, code], -1)
        # An optional unit without a value has the code 0, and says nothing.
        total += (code * log_conditional(machine, visible, site, unit)).sum(-1).mean().item()
    return total * len(places) / len(order)
