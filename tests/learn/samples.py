"""Data drawn from small networks, and a marginal oracle by brute force."""

from __future__ import annotations

import numpy as np

from probgen.declare.network import Network
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import brute_force


def brute_oracle(factors: Factors) -> tuple[float, list[np.ndarray]]:
    """Log Z and the posterior over every scope, by summing over all joint states."""
    truth = brute_force(factors)
    axes = range(len(factors.cards))
    marginals = []
    for scope in factors.scopes:
        table = truth.joint.sum(axis=tuple(a for a in axes if a not in scope))
        order = np.argsort(np.argsort(scope))
        marginals.append(np.transpose(table, order))
    return truth.log_z, marginals


def draw_rows(network: Network, rows: int, seed: int) -> dict[str, list]:
    """Columns of states by name, drawn from the joint distribution."""
    joint = brute_force(condition(network)).joint
    rng = np.random.default_rng(seed)
    cells = rng.choice(joint.size, rows, p=joint.ravel())
    codes = np.array(np.unravel_index(cells, joint.shape))
    return {name: [network.states[v][s] for s in codes[v]] for v, name in enumerate(network.names)}


def with_holes(columns: dict, share: float, seed: int) -> dict:
    """The same with values left out completely at random."""
    rng = np.random.default_rng(seed)
    return {
        name: [None if rng.random() < share else value for value in values]
        for name, values in columns.items()
    }


def table_of(network: Network, name) -> np.ndarray:
    """Probabilities of a child's table, axes as learned: parents, then the child."""
    v = network.position[name]
    factor = next(f for f in network.factors if f.child == v)
    return np.exp(factor.log_table)
