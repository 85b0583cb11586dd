"""The marginal program of a Gaussian machine is its mixture of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pyro import poutine

from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.marginal import marginal_program
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.nets.boltzmann.machines import every_state, machine_of


def log_density(program, v) -> float:
    conditioned = poutine.condition(program, {"v": v})
    return float(poutine.trace(conditioned).get_trace().log_prob_sum())


def mixture(machine) -> torch.Tensor:
    """Log weights of the mixture: the Gaussian integral over the visible units by hand."""
    hidden = every_state(machine, 1)
    variance = machine.log_variance.exp().detach()
    bias, weight = machine.biases[0].detach(), machine.weights[0].detach()
    pull = hidden @ weight.T / variance  # of every component
    own = hidden @ machine.biases[1].detach()
    quadratic = (pull * bias + pull**2 * variance / 2).sum(-1)
    return own + quadratic + 0.5 * (2 * np.pi * variance).log().sum()


def test_the_density_is_the_mixture_of_gaussians_times_the_normaliser():
    machine = machine_of("gaussian")
    log_weights, hidden = mixture(machine), every_state(machine, 1)
    means = machine.biases[0].detach() + hidden @ machine.weights[0].detach().T
    scale = (machine.log_variance.detach() / 2).exp()
    program = marginal_program(machine, rows=2)
    v = torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    each = torch.distributions.Normal(means, scale).log_prob(v.view(2, 1, 3)).sum(-1)
    expected = (each + log_weights).logsumexp(-1).sum()
    assert log_density(program, v) == pytest.approx(float(expected), abs=1e-10)


def test_it_integrates_to_the_normaliser():
    """Two units on a grid; log Z is the sum of the mixture's weights."""
    machine = BoltzmannMachine([Units("x", 2, "gaussian"), Units("h", 2)], weight_scale=0.7)
    machine = machine.double()
    machine.log_variance.data = torch.tensor([-0.5, 0.3]).double()
    axis = torch.linspace(-15, 15, 601, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    program = marginal_program(machine, rows=1)
    values = -machine.free_energy(torch.cat([program.visible(p) for p in points[:2]]))
    assert values.shape == (2,)
    with torch.no_grad():
        total = (-machine.free_energy(points)).logsumexp(0) + 2 * np.log(float(axis[1] - axis[0]))
    assert float(total) == pytest.approx(float(mixture(machine).logsumexp(0)), abs=1e-9)


def test_known_numbers_stay_and_the_rest_is_the_site():
    machine = machine_of("gaussian")
    mask = torch.tensor([[True, False, False], [False, True, True]])
    values = torch.arange(6).view(2, 3).double()
    program = marginal_program(machine, {0: (mask, values)})
    assert program.dimension == 3
    v = torch.tensor([10.0, 20.0, 30.0]).double()
    visible = program.visible(v)
    assert visible.tolist() == [[0, 10, 20], [30, 4, 5]]
    assert program.positions(visible).tolist() == v.tolist()
    expected = -machine.free_energy(visible).sum().detach()
    assert log_density(program, v) == pytest.approx(float(expected))
    states = program.states(v, Stream(0))
    assert states[1].shape == (2, 2)


def test_discrete_visible_units_must_be_known():
    machine = machine_of("composite")
    with pytest.raises(ModelError, match="'x' are visible, discrete and unknown"):
        marginal_program(machine)
    mask = torch.ones(1, 7, dtype=torch.bool)
    mask[:, 2:4] = False
    program = marginal_program(machine, {0: (mask, torch.zeros(1, 7).double())})
    assert program.dimension == 2
    with pytest.raises(ModelError, match="Every visible unit is known"):
        marginal_program(machine, {0: (torch.ones_like(mask), torch.zeros(1, 7))})


@pytest.mark.parametrize("kind", ["deep_composite", "deep"])
def test_deep_machines_have_no_marginal_density(kind):
    with pytest.raises(ModelError, match="two layers"):
        marginal_program(machine_of(kind))
