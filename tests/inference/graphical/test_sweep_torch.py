"""Sweeps in torch: right marginals, reproducible, on CPU and, where there is one, on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probgen.errors import SamplingError
from probgen.inference.graphical.sweeps.torch_sweeps import TorchSweeper
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import POSITIVE, xor
from tests.inference.graphical.sweep_checks import (
    check_marginals,
    extreme,
    hub,
    many_states,
    random_states,
    steep,
    uniform_grid,
)
from tests.inference.graphical.test_sweep_kernels import contradiction

NETWORKS = [
    *POSITIVE.values(),
    extreme(),
    steep(),
    hub(9, 0.3),
    many_states(9),
    uniform_grid(3, 3),
]


def test_marginals() -> None:
    check_marginals(TorchSweeper, NETWORKS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_marginals_on_a_gpu() -> None:
    check_marginals(lambda factors: TorchSweeper(factors, "cuda"), NETWORKS)


def test_draws_do_not_depend_on_how_sweeps_are_shared_among_calls() -> None:
    factors = condition(POSITIVE["cards"])
    once, twice = random_states(factors, 30), random_states(factors, 30)
    TorchSweeper(factors).sweep(once, 4, 7, 10)
    sweeper = TorchSweeper(factors)
    sweeper.sweep(twice, 4, 7, 3)
    sweeper.sweep(twice, 4, 10, 7)
    np.testing.assert_array_equal(once, twice)


def test_a_subset_counts_and_draws() -> None:
    factors = condition(POSITIVE["loop"])
    start = random_states(factors, 50)
    states = start.copy()
    sweeper = TorchSweeper(factors)
    counts = np.zeros((9, 50), dtype=np.uint32)
    draws = np.zeros((3, 4, 50), dtype=np.uint8)
    sweeper.sweep(states, 1, 0, 6, subset=np.array([1, 2]), counts=counts, draws=draws, thin=2)
    np.testing.assert_array_equal(states[[0, 3]], start[[0, 3]])
    np.testing.assert_array_equal(draws[-1], states)
    assert counts.sum() == 2 * 6 * 50
    assert counts[:2].sum() == counts[7:].sum() == 0
    assert sweeper.update_count == 2 * 6 * 50


def test_an_impossible_state_is_an_error() -> None:
    factors = condition(xor())
    states = np.zeros((3, 5), dtype=np.uint8)
    states[:, 4] = 1
    TorchSweeper(factors).sweep(states[:, :4].copy(), 1, 0, 3)
    stuck = np.zeros((3, 5), dtype=np.uint8)
    stuck[2, 3] = 1
    with pytest.raises(SamplingError, match=r"No state of 'a' is possible .* in chain 3"):
        TorchSweeper(condition(contradiction())).sweep(stuck, 1, 0, 2)
