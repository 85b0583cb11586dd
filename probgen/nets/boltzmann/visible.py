"""What a trained machine makes of visible values: features, reconstructions, missing ones filled.

Values are given and returned by site name, (case, size); see `read_values` for what is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.mean_field import mean_field
from probgen.nets.boltzmann.values import read_values
from probgen.nets.stream import Stream

__all__ = ["inpaint", "reconstruct", "transform"]


@torch.no_grad()
def transform(machine: BoltzmannMachine, data: Mapping[str, Any]) -> Tensor:
    """Expected units of the top layer given the visible ones, (case, width): features of the data.

    Exact in a restricted machine; in mean field in a deep one, whose hidden layers depend on each
    other: `infer` samples them. Raises `DataError`.
    """
    return mean_field(machine, machine.encode(0, read_values(machine, data)))[-1]


@torch.no_grad()
def reconstruct(machine: BoltzmannMachine, data: Mapping[str, Any]) -> dict[str, Tensor]:
    """Expected visible states given the features of the data, by site.

    Probabilities of Bernoulli units and of the states of categorical ones (case, size, states),
    means of Gaussian units, given the expected units of the layer above (see `transform`). How
    near they are to the data says little about the likelihood. Raises `DataError`.
    """
    means = mean_field(machine, machine.encode(0, read_values(machine, data)))
    mean = machine.mean(0, machine.activation(0, means))
    return {
        units.name: part.unflatten(-1, (units.size, units.states))
        if units.kind == "categorical"
        else part
        for units, part in machine.parts(0, mean)
    }


@torch.no_grad()
def inpaint(
    machine: BoltzmannMachine, data: Mapping[str, Any], *, sweeps: int = 100, seed: int = 0
) -> dict[str, Tensor]:
    """Missing visible values (NaN) drawn given the others, by clamped Gibbs: all visible sites.

    Sites that are left out are missing altogether, and unrated items of optional units are drawn
    like others. One draw for every case, after `sweeps` sweeps from a random start; `infer` with
    `Gibbs()` gives chains, and says whether they have mixed. Raises `DataError`.
    """
    given = read_values(machine, data, missing=True)
    cases = len(next(iter(given.values())))
    values, known = {}, []
    for units in machine.layers[0]:
        missing = torch.full((cases, units.size), torch.nan, device=machine.device)
        value = given.get(units.name, missing).to(machine.dtype)
        step = units.width // units.size
        known.append((~value.isnan()).repeat_interleave(step, -1))
        values[units.name] = value.nan_to_num()
    mask, visible = torch.cat(known, -1), machine.encode(0, values)
    stream = Stream(seed)
    states = [
        machine.draw(layer, bias.expand(cases, -1), stream)
        for layer, bias in enumerate(machine.biases)
    ]
    states[0] = torch.where(mask, visible, states[0])
    for _ in range(sweeps):
        states = sweep(machine, states, stream, clamp={0: (mask, visible)})
    return machine.decode(0, states[0])
