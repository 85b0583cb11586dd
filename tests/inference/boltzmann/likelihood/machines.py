"""Small machines of every kind, and sums over all their states without any shortcut."""

from __future__ import annotations

import itertools

import torch

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

LAYERS = {
    "binary": [Units("x", 7), Units("h", 5)],
    "wide hidden": [Units("x", 4), Units("h", 7)],
    "categorical": [Units("x", 3, "categorical", 3), Units("h", 4)],
    "categorical hidden": [Units("x", 5), Units("h", 2, "categorical", 4)],
    "gaussian": [Units("x", 4, "gaussian"), Units("h", 5)],
    "classes": [(Units("x", 5), Units("y", 1, "categorical", 3)), Units("h", 4)],
    "gaussian and classes": [
        (Units("x", 3, "gaussian"), Units("y", 1, "categorical", 3)),
        Units("h", 4),
    ],
    "deep": [Units("x", 5), Units("h", 4), Units("g", 3)],
    "deeper": [Units("x", 4), Units("h", 3), Units("g", 3), Units("k", 2)],
}


def machine(name, seed=0, scale=1.0, dtype=torch.float32):
    """A machine with random weights and biases of standard deviation `scale`."""
    return randomised(BoltzmannMachine(LAYERS[name]), seed, scale).to(dtype)


def restricted(visible, hidden, seed=0, scale=1.0):
    """A random binary machine of two layers."""
    return randomised(BoltzmannMachine([Units("x", visible), Units("h", hidden)]), seed, scale)


def randomised(machine, seed, scale):
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=random))
    return machine


def all_states(machine, layers):
    """All joint states of discrete layers, one tensor for each."""
    parts = [
        torch.eye(units.states) if units.kind == "categorical" else torch.tensor([[0.0], [1.0]])
        for layer in layers
        for units in machine.layers[layer]
        for _ in range(units.size)
    ]
    rows = [torch.cat(choice) for choice in itertools.product(*parts)]
    states = torch.stack(rows).double()
    return list(states.split([machine.widths[layer] for layer in layers], -1))


def brute_force_log_z(machine):
    """Log of the sum of exp(-energy) over all joint states of all layers, one by one."""
    states = all_states(machine, range(len(machine.layers)))
    with torch.no_grad():
        return float((-machine.double().energy(states)).logsumexp(0))


def bars_and_stripes(side=4):
    """All images of full rows or full columns, (30, 16) for side 4."""
    lines = torch.tensor(list(itertools.product((0.0, 1.0), repeat=side)))
    across = lines[:, :, None].expand(-1, side, side).reshape(-1, side * side)
    along = lines[:, None, :].expand(-1, side, side).reshape(-1, side * side)
    return torch.cat([across, along]).unique(dim=0)
