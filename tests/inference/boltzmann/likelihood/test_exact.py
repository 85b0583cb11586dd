"""Exact partition functions against sums over all states, one by one, and integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from probgen.errors import TooLargeError
from probgen.inference.boltzmann.likelihood.estimate import log_partition
from probgen.inference.boltzmann.likelihood.exact import log_sum_hidden
from probgen.inference.boltzmann.likelihood.mean_field import mean_field_bound
from probgen.inference.graphical.exact import Exact
from probgen.inference.log_likelihood import log_likelihood
from probgen.nets.boltzmann import listing, sums
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from tests.inference.boltzmann.likelihood.machines import (
    LAYERS,
    all_states,
    brute_force_log_z,
    machine,
    randomised,
    restricted,
)
from tests.inference.graphical.mutants import mutant

DISCRETE = [name for name in LAYERS if "gaussian" not in name]


@pytest.mark.parametrize("name", DISCRETE)
def test_log_z_is_the_sum_over_all_states(name):
    found = log_partition(machine(name), Exact())
    assert found.value == pytest.approx(brute_force_log_z(machine(name)), abs=1e-5)
    assert found.reliable
    assert found.ess is None
    assert "exact" in str(found)


@torch.no_grad()
def integrals(one):
    """log Z of a machine with one Gaussian unit, by a sum over a fine grid and all the rest."""
    grid = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    total = []
    for row in all_states(one, [1])[0]:
        states = [grid[:, None], row.expand(len(grid), -1)]
        total.append((-one.energy(states)).logsumexp(0))
    return float(torch.stack(total).logsumexp(0)) + math.log(float(grid[1] - grid[0]))


def test_gaussian_units_are_integrated_out():
    one = BoltzmannMachine([Units("x", 1, "gaussian"), Units("h", 4)])
    one = randomised(one, 3, 1.0).double()
    assert log_partition(one, Exact()).value == pytest.approx(integrals(one), abs=1e-8)
    broken = mutant(sums, "0.5 * (2 * math.pi * own)", "0.5 * (math.pi * own)")
    with torch.no_grad():
        wrong = broken.log_sum_between(one, [None, *all_states(one, [1])], [0]).logsumexp(0)
    assert abs(float(wrong) - integrals(one)) > 0.1


def test_blocks_of_states_do_not_matter(monkeypatch):
    whole = [log_partition(machine(name), Exact()).value for name in DISCRETE]
    monkeypatch.setattr(listing, "_BLOCK_NUMBERS", 30)
    parts = [log_partition(machine(name), Exact()).value for name in DISCRETE]
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_of_all_visible_states_sum_to_one(name):
    own = machine(name)
    visible = all_states(own, [0])[0]
    values = own.decode(0, visible)
    cases = log_likelihood(own, values, Exact()).cases
    assert np.exp(cases).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["deep", "deeper"])
def test_mean_field_is_below_the_sum_over_hidden_layers(name):
    own = machine(name, scale=0.7)
    visible = all_states(own, [0])[0]
    exact, bound = log_sum_hidden(own, visible), mean_field_bound(own, visible)
    assert (bound < exact).all()
    assert (exact - bound).mean() < 0.5
    uncoupled = machine(name)
    with torch.no_grad():
        for weight in list(uncoupled.weights)[1:]:
            weight.zero_()
    exact, bound = log_sum_hidden(uncoupled, visible), mean_field_bound(uncoupled, visible)
    torch.testing.assert_close(bound, exact, atol=1e-6, rtol=0)


def test_what_is_told_of_bounds_is_told_once():
    """log Z is a sum over 2^18 states, and the hidden layers have 2^16 each."""
    deep = BoltzmannMachine([Units("x", 2), Units("h", 16), Units("g", 16)], 0.1)
    found = log_likelihood(deep, torch.tensor([[0.0, 1.0], [1.0, 1.0]]), Exact())
    assert found.ess is None
    assert found.bound == "below given log Z, by mean field"
    assert str(found).count("below") == 1
    shallow = log_likelihood(machine("deep"), all_states(machine("deep"), [0])[0][:4], Exact())
    assert "variational" in str(shallow)


def test_too_large_machines_are_refused_with_a_cure():
    with pytest.raises(TooLargeError, match=r"2\^30 states.*AnnealedImportance"):
        log_partition(restricted(40, 30), Exact())
