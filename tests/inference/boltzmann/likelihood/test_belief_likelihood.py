"""Bounds of deep belief networks: tied to the machine they come from, and on their sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from probgen.errors import ModelError, OptionError
from probgen.inference.boltzmann.likelihood import belief as belief_module
from probgen.inference.boltzmann.likelihood.estimate import log_partition
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.inference.log_likelihood import log_likelihood
from probgen.learn.boltzmann.greedy import turn_over
from probgen.models.dbn import DBN
from tests.inference.boltzmann.likelihood.machines import all_states, randomised, restricted


def tied(visible=8, hidden=5):
    """A machine, and the network that is that machine."""
    machine, network = restricted(visible, hidden, 1), DBN(visible, (hidden, visible))
    with torch.no_grad():
        network.machines[0].load_state_dict(machine.state_dict())
        network.recognition[0].copy_(machine.weights[0])
    turn_over(network, 1)
    return machine, network


@pytest.mark.parametrize("samples", [None, 2])
def test_with_tied_weights_the_bound_is_the_likelihood_of_the_machine(samples):
    machine, network = tied()
    x = all_states(machine, [0])[0]
    exact = log_likelihood(machine, x, Exact())
    found = log_likelihood(network, x, Exact(), samples=samples, seed=1)
    np.testing.assert_allclose(found.variational, exact.cases, atol=1e-4)
    np.testing.assert_allclose(found.cases, exact.cases, atol=1e-4)


def test_a_stack_of_machines_without_the_directed_pass_is_noticed():
    """Were the low machine undirected, its free energy at v would stand for log p(v | h1)."""
    machine, network = tied()
    x = all_states(machine, [0])[0]
    exact = log_likelihood(machine, x, Exact())
    low = network.machines[0]
    network.log_down = lambda layer, state, above: -low.energy([state, above])
    broken = log_likelihood(network, x, Exact(), samples=3, seed=1)
    assert np.abs(broken.cases - exact.cases).max() > 0.1


def untied(hidden=(4, 5)):
    return randomised(DBN(6, hidden), 4, 0.6)


@pytest.mark.parametrize("hidden", [(4, 5), (4, 3, 4)])
def test_draws_of_recognition_bound_the_sum_over_all_states(hidden):
    network = untied(hidden)
    x = all_states(network, [0])[0]
    with torch.no_grad():
        own = untied(hidden).double()
        states = all_states(own, range(len(own.layers) - 1))
        log_z = log_partition(own.top, Exact()).value
        joint = own.log_joint(states).view(len(x), -1)
        exact = (joint.logsumexp(1) - log_z).numpy()
    assert np.exp(exact).sum() == pytest.approx(1, abs=1e-6)
    few = log_likelihood(network, x, Exact(), samples=5, seed=1)
    many = log_likelihood(network, x, Exact(), samples=1000, seed=1)
    assert many.variational.mean() < few.mean < exact.mean()
    assert exact.mean() - few.mean > 0.02
    assert many.mean == pytest.approx(exact.mean(), abs=0.03)
    if len(hidden) == 2:
        listed = log_likelihood(network, x)
        np.testing.assert_allclose(listed.cases, exact, atol=1e-5)
        assert listed.variational.mean() == pytest.approx(many.variational.mean(), abs=0.05)
        assert (listed.variational <= listed.cases + 1e-9).all()
        assert listed.bound == "exact"


def test_the_entropy_must_be_counted(monkeypatch):
    _, network = tied()
    x = all_states(network, [0])[0]
    right = log_likelihood(network, x, samples=4, seed=1).mean
    monkeypatch.setattr(network, "log_up", lambda layer, state, below: 0 * state.sum(-1))
    assert abs(log_likelihood(network, x, samples=4, seed=1).mean - right) > 0.1


def test_annealing_at_the_top():
    network = untied()
    x = all_states(network, [0])[0]
    method = AnnealedImportance(betas=300, schedule="linear", sweeps=1)
    found = log_likelihood(network, x, method, chains=300, seed=1)
    assert found.mean == pytest.approx(log_likelihood(network, x, Exact()).mean, abs=0.05)
    assert found.log_z.settings["base"] == "data"
    assert "variational" in str(found)


def test_cases_are_split_into_parts(monkeypatch):
    network = untied()
    x = all_states(network, [0])[0]
    monkeypatch.setattr(belief_module, "_ROWS", 7)
    found = log_likelihood(network, x, Exact(), samples=2, seed=1)
    assert found.cases.shape == (64,)


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ModelError, match=r"network\.top"):
        log_partition(untied())
    with pytest.raises(OptionError, match="samples="):
        log_likelihood(restricted(3, 2), torch.zeros(1, 3), samples=3)
    with pytest.raises(ModelError, match="no Boltzmann machine"):
        log_likelihood(torch.nn.Linear(2, 2), torch.zeros(1, 2))
