"""Probabilities of units by listing every joint state, and how far a run is from them."""

from __future__ import annotations

import numpy as np
import torch

from tests.inference.boltzmann.likelihood.machines import all_states

SURELY_WRONG = 6.0
"""Standard errors that no unit of a right sampler is off, out of thousands of looks."""


def listed(machine, data=None):
    """Exact probability of every state of every free unit, by its label, of one case."""
    machine = machine.double()
    states = all_states(machine, range(len(machine.layers)))
    with torch.no_grad():
        log = -machine.energy(states)
    values = {}
    for layer, state in enumerate(states):
        values |= {n: v.double().numpy() for n, v in machine.decode(layer, state).items()}
    possible = np.ones(len(log), dtype=bool)
    for name, given in (data or {}).items():
        given = np.asarray(given, dtype=float)
        possible &= (np.isnan(given) | (values[name] == given)).all(1)
    weights = np.where(possible, np.exp(log.numpy() - log.numpy().max()), 0.0)
    weights /= weights.sum()
    units = {u.name: u for layer in machine.layers for u in layer}
    return {
        f"{name}[{unit}]={state}": float(weights @ (values[name][:, unit] == state))
        for name, block in units.items()
        for unit in range(block.size)
        for state in range(block.states)
        if np.isnan(np.asarray((data or {}).get(name, np.full(block.size, np.nan)))[unit])
    }


def errors(tree, truth):
    """Largest error of a run's probabilities, in its own standard errors."""
    table = tree["marginals"].to_dataset()
    labels = [f"{v}={s}" for v, s in zip(table.variable.values, table.state.values, strict=True)]
    assert set(labels) == set(truth)
    exact = np.array([truth[label] for label in labels])
    return float(np.max(np.abs(table.probability.values - exact) / table.mcse.values))
