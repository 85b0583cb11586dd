"""The relaxation's discrete marginal is the machine's law, exactly: by quadrature over z."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pyro import poutine

from probgen.errors import ModelError
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.relaxed import Relaxed, relaxed_program
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.nets.boltzmann.machines import DISCRETE, exact_law, five_sigma, machine_of

SMALL = {
    "bernoulli": [Units("x", 2), Units("h", 1)],
    "categorical": [Units("y", 1, "categorical", 3), Units("h", 1)],
    "deep": [Units("x", 2), Units("h", 1), Units("g", 1)],
}


def small(kind: str) -> BoltzmannMachine:
    machine = BoltzmannMachine(SMALL[kind]).double()
    random = torch.Generator().manual_seed(3)
    for parameter in machine.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64)
    return machine


def nodes(dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of Gauss-Hermite quadrature for a standard normal, and log weights."""
    count = {1: 60, 2: 60, 3: 30, 4: 20}[dimension]
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    grid = np.stack(np.meshgrid(*[points] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    each = np.stack(np.meshgrid(*[weights] * dimension, indexing="ij"), -1)
    log = np.log(each.reshape(-1, dimension)).sum(-1) - dimension / 2 * np.log(2 * np.pi)
    return torch.from_numpy(grid), torch.from_numpy(log)


def discrete_law(relaxed: Relaxed) -> tuple[torch.Tensor, float]:
    """What draws of z followed by draws of the units make of every joint state; log evidence."""
    z, log_weights = nodes(relaxed.dimension)
    log_weights = log_weights + relaxed.log_factor(z)
    evidence = log_weights.logsumexp(0)
    law = []
    for states in zip(*exact_law(relaxed.machine)[0], strict=True):
        log_given = torch.zeros(len(z), dtype=torch.float64)
        for layer, activation in enumerate(relaxed.activations(z)):
            log_given += (activation * states[layer]).sum(-1)
            log_given -= relaxed.machine.log_partition(layer, activation)
        law.append((log_weights - evidence + log_given).logsumexp(0))
    return torch.stack(law), float(evidence)


@pytest.mark.parametrize("kind", SMALL)
def test_the_units_given_z_have_the_law_of_the_machine(kind):
    machine = small(kind)
    _, expected, log_z = exact_law(machine)
    found, evidence = discrete_law(relaxed_program(machine))
    assert evidence == pytest.approx(log_z, abs=1e-9)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)


def test_without_the_correction_for_the_diagonal_the_law_is_wrong():
    machine = small("bernoulli")
    relaxed = relaxed_program(machine)
    relaxed.offset = torch.cat([bias.detach() for bias in machine.biases])
    found, evidence = discrete_law(relaxed)
    assert abs(evidence - exact_law(machine)[2]) > 0.1
    assert (found - exact_law(machine)[1]).abs().max() > 0.05


@pytest.mark.parametrize("kind", DISCRETE)
def test_the_loadings_are_the_couplings_apart_from_the_diagonal(kind):
    machine = machine_of(kind)
    relaxed = relaxed_program(machine)
    product = relaxed.loadings @ relaxed.loadings.T
    low, high = machine.widths[:2]
    place = slice(0, low), slice(low, low + high)
    torch.testing.assert_close(product[place], machine.weights[0].detach())
    diagonal = product.diagonal()
    torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert (product.fill_diagonal_(0)[:low, :low]).abs().max() < 1e-12
    assert relaxed.dimension < sum(machine.widths)  # the smallest eigenvalue is 0


@pytest.mark.parametrize("kind", SMALL)
def test_the_program_is_the_normal_density_times_the_factor(kind):
    relaxed = relaxed_program(small(kind), rows=3)
    trace = poutine.trace(relaxed).get_trace()
    z = trace.nodes["z"]["value"]
    assert z.shape == (3, relaxed.dimension)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    expected = (normal + relaxed.log_factor(z)).sum()
    assert float(trace.log_prob_sum()) == pytest.approx(float(expected))


@pytest.mark.parametrize("kind", SMALL)
def test_with_known_units_the_evidence_sums_over_the_free_ones(kind):
    """Row by row: the first unit off, then on; a free one in the third row."""
    machine = small(kind)
    width = machine.widths[0]
    step = width // machine.layers[0][0].size
    values = torch.zeros(3, width).double()
    values[0, 0] = 1.0
    values[1, step - 1] = 1.0
    mask = torch.zeros(3, width, dtype=torch.bool)
    mask[:2, :step] = True
    relaxed = relaxed_program(machine, {0: (mask, values)})
    z, log_weights = nodes(relaxed.dimension)
    found = (log_weights[:, None] + relaxed.log_factor(z[:, None].expand(-1, 3, -1))).logsumexp(0)
    states, log_law, log_z = exact_law(machine)
    for row in range(3):
        fits = (states[0] == values[row])[:, mask[row]].all(-1)
        expected = (log_law[fits] + log_z).logsumexp(0)
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-9)
    drawn = relaxed.states(z[:3], Stream(0))[0]
    assert torch.equal(drawn[:2, :step], values[:2, :step])


def test_draws_of_z_given_states_and_of_states_given_z_leave_the_law_alone():
    """20000 alternating chains from the machine's own law, five standard errors."""
    machine = machine_of("deep")
    states, log_law, _ = exact_law(machine)
    random, stream = torch.Generator().manual_seed(0), Stream(1)
    start = torch.multinomial(log_law.exp(), 20000, replacement=True, generator=random)
    relaxed = relaxed_program(machine, rows=20000)
    now = [state[start] for state in states]
    for _ in range(3):
        now = relaxed.states(relaxed.positions(now, stream), stream)
    gibbs = sweep(machine, now, stream)
    for kept in (now, gibbs):
        for layer, state in enumerate(states):
            for column, share in enumerate((log_law.exp() @ state).tolist()):
                assert abs(kept[layer][:, column].mean() - share) < five_sigma(share, 20000)


def test_gaussian_units_are_not_relaxed():
    with pytest.raises(ModelError, match="'r' are Gaussian"):
        relaxed_program(machine_of("composite"))
