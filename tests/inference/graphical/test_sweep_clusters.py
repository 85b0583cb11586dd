"""Small blocks as single variables of a smaller network, and blocks by turns with single sites."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.inference.graphical.blocks.plan import BlockPlan
from probgen.inference.graphical.gibbs import with_blocks
from probgen.inference.graphical.sweeps.clusters import Clustered, merge_network, small_blocks
from probgen.inference.graphical.sweeps.engine import Blocked
from probgen.inference.graphical.sweeps.sweeper import Sweeper
from probgen.inference.graphical.sweeps.torch_sweeps import TorchSweeper
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, POSITIVE, markov, xor
from tests.inference.graphical.sweep_checks import random_states, z_scores

SETS = {
    "loop": [(0, 2)],
    "cards": [(3, 1)],
    "star": [(0, 4, 2), (1, 9)],
    "high_order": [(0, 4)],
    "bayesian": [(1, 2), (0, 3)],
    "duplicated": [(0, 1, 2)],
    "grid": [(0, 1, 5), (10, 11)],
}


@pytest.mark.parametrize("engine", [Sweeper, TorchSweeper])
def test_marginals(engine) -> None:
    scores = []
    for name, sets in SETS.items():
        factors = condition(POSITIVE[name])
        scores.append(z_scores(factors, Clustered(factors, sets, engine)))
    every = np.concatenate(scores)
    assert np.abs(every).max() < 5
    assert 0.7 < np.sqrt(np.mean(every**2)) < 1.3


def test_the_smaller_network_has_the_same_joint() -> None:
    factors = condition(AWKWARD["functional"])
    places = [(3,), (2, 0), (1, 4)]
    merged = merge_network(factors, places)
    states = random_states(factors, 100).T.astype(int)
    joint = np.stack(
        [states[:, 3], states[:, 2] * 2 + states[:, 0], states[:, 1] * 2 + states[:, 4]]
    )
    np.testing.assert_allclose(merged.log_joint(joint.T), factors.log_joint(states))


def test_an_exclusive_or_moves_as_one() -> None:
    factors = condition(xor())
    sweeps = Clustered(factors, [(0, 1, 2)], Sweeper)
    states = np.zeros((3, 4096), dtype=np.uint8)
    draws = np.zeros((3, *states.shape), dtype=np.uint8)
    counts = np.zeros((6, 4096), dtype=np.uint32)
    sweeps.sweep(states, 1, 0, 6, draws=draws, thin=2, counts=counts)
    np.testing.assert_array_equal(draws[-1], states)
    np.testing.assert_array_equal(states[2], states[0] ^ states[1])
    assert np.abs(states.mean(axis=1) - 0.5).max() < 5 * np.sqrt(0.25 / 4096)
    assert (counts.reshape(3, 2, -1).sum(axis=1) == 6).all()


def test_a_subset_takes_in_whole_sets_only() -> None:
    factors = condition(POSITIVE["loop"])
    sweeps = Clustered(factors, [(0, 2)], Sweeper)
    start = random_states(factors, 200)
    states = start.copy()
    sweeps.sweep(states, 1, 0, 3, subset=np.array([0, 1]))
    np.testing.assert_array_equal(states[[0, 2, 3]], start[[0, 2, 3]])
    sweeps.sweep(states, 1, 0, 3, subset=np.array([0, 2]))
    assert (states[[0, 2]] != start[[0, 2]]).any(axis=1).all()


def test_which_blocks_are_small() -> None:
    factors = condition(markov([2, 3, 4, 2, 10, 10], [(0, 1), (4, 5)], 1, ""))
    assert small_blocks(factors, [(0, 1), (2, 3)]) == [(0, 1), (2, 3)]
    assert small_blocks(factors, [(0, 1), (1, 2)]) == []
    assert small_blocks(factors, [(4, 5), (0, 3)]) == [(0, 3)]


def mixed(factors: Factors):
    """One block small enough for a variable, and one drawn by elimination."""
    plan = BlockPlan(((0, 1), (2, 3, 4, 5, 6, 7, 8)), True, "")
    return with_blocks(factors, plan, Sweeper)


def test_small_and_large_blocks_together() -> None:
    factors = condition(POSITIVE["grid"])
    sweeps = mixed(factors)
    assert isinstance(sweeps, Blocked)
    scores = z_scores(factors, sweeps, chains=1000, sweeps=60)
    assert np.abs(scores).max() < 5
    assert 0.5 < np.sqrt(np.mean(scores**2)) < 1.5


def test_blocks_by_turns_can_be_cut_and_threaded() -> None:
    factors = condition(POSITIVE["grid"])
    start = random_states(factors, 150)
    whole, cut = start.copy(), start.copy()
    counts = np.zeros((24, 150), dtype=np.uint32)
    draws = np.zeros((2, 12, 150), dtype=np.uint8)
    mixed(factors).sweep(whole, 3, 5, 6, counts=counts, draws=draws, thin=3)
    sweeps = mixed(factors)
    sweeps.sweep(cut, 3, 5, 2, threads=2)
    sweeps.sweep(cut, 3, 7, 4, threads=2)
    np.testing.assert_array_equal(cut, whole)
    np.testing.assert_array_equal(draws[-1], whole)
    assert (counts.reshape(12, 2, 150).sum(axis=1) == 6).all()
