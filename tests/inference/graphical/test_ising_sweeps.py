"""Ising and similar models: binary neighbours with equal tables are told apart by number only."""

from __future__ import annotations

import time

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.targets.factors import condition
from tests.inference.graphical.sweep_checks import (
    check_marginals,
    make_sweeper,
    random_states,
    uniform_grid,
)


def torus(side: int, coupling: float, field: float, states: int = 2) -> Network:
    """Potts model with uniform coupling on a periodic square lattice; Ising with two states."""
    same = coupling * (2 * np.eye(states) - 1)
    factors = [Factor((v,), field * np.arange(states)) for v in range(side * side)]
    for r in range(side):
        for c in range(side):
            v = r * side + c
            factors.append(Factor((v, r * side + (c + 1) % side), same))
            factors.append(Factor((((r + 1) % side) * side + c, v), same))
    names = tuple((r, c) for r in range(side) for c in range(side))
    return Network(names, (tuple(range(states)),) * side**2, tuple(factors), "torus")


def one_sided(leaves: int) -> Network:
    """A table that is not symmetric, from a centre to each leaf, and back for some of them."""
    table = np.array([[0.4, -0.2], [-0.7, 0.1], [0.3, 0.3]])
    factors = [Factor((0, k), table) for k in range(1, leaves + 1)]
    square = np.array([[0.3, -0.5], [0.2, 0.1]])
    for k in range(1, leaves):
        pair = (k, k + 1) if k % 2 else (k + 1, k)
        factors.append(Factor(pair, square))
    states = ((0, 1, 2),) + ((0, 1),) * leaves
    return Network(tuple(range(leaves + 1)), states, tuple(factors), "one_sided")


NETWORKS = [
    torus(3, 0.3, 0.1), torus(2, 0.2, 0.1), uniform_grid(3, 4), uniform_grid(2, 6, -0.5),
    one_sided(8), torus(3, 0.2, 0.1, states=3),
]  # fmt: skip


def test_marginals() -> None:
    check_marginals(make_sweeper(), NETWORKS)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.title)
def test_lumped_neighbours_change_no_draw(network: Network) -> None:
    factors = condition(network)
    for chains in (5, 200):
        lumped, apart = random_states(factors, chains), random_states(factors, chains)
        Sweeper(factors).sweep(lumped, 3, 0, 50)
        Sweeper(factors, fast_paths=False).sweep(apart, 3, 0, 50)
        np.testing.assert_array_equal(lumped, apart)


def test_one_table_serves_all_sites() -> None:
    sweeper = Sweeper(condition(torus(20, 0.4, 0.1)))
    assert sweeper.native.table_bytes == 2 * 64
    assert sweeper.kinds == {"small": 400}
    assert sweeper.colouring.count == 2


def test_a_hub_of_equal_couplings_needs_one_table() -> None:
    """A thousand neighbours of one kind: 1001 configurations, and nothing underflows."""
    leaves = 1000
    table = np.array([[1.0, -1.0], [-1.0, 1.0]])
    factors = tuple(Factor((0, k), table) for k in range(1, leaves + 1))
    network = Network(tuple(range(leaves + 1)), ((0, 1),) * (leaves + 1), factors, "hub")
    sweeper = Sweeper(condition(network))
    assert sweeper.kinds == {"small": leaves, "threshold": 1}
    states = random_states(condition(network), 4096)
    states[1:501], states[501:] = 0, 1
    sweeper.sweep(states, 1, 0, 1, subset=np.array([0]))
    assert abs(states[0].mean() - 0.5) < 5 * np.sqrt(0.25 / 4096)
    states[1:502], states[502:] = 0, 1
    sweeper.sweep(states, 1, 1, 1, subset=np.array([0]))
    assert abs(states[0].mean() - 1 / (1 + np.exp(4.0))) < 5 * np.sqrt(0.018 / 4096)


def test_a_large_grid_is_ready_in_two_seconds() -> None:
    factors = condition(torus(128, 0.4, 0.1))
    started = time.process_time()
    sweeper = Sweeper(factors)
    assert time.process_time() - started < 2.0
    assert sweeper.colouring.count == 2
