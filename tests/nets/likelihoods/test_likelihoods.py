"""Likelihoods: normalised, drawn as they score, missing entries left out."""

import math

import pyro
import pytest
import torch

from probgen.errors import OptionError
from probgen.nets.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretisedLogistic,
    Gaussian,
    filled,
    known,
)
from probgen.nets.likelihoods.discretised_logistic import RoundedLogistics

SIZE = 3
DISCRETE = {
    "bernoulli": (Bernoulli(SIZE), 2),
    "categorical": (Categorical(SIZE, 4), 4),
    "logistic": (DiscretisedLogistic(SIZE, 17), 17),
    "mixture": (DiscretisedLogistic(SIZE, 256, 3), 256),
}
REAL = {
    "fixed": Gaussian(SIZE, 0.5),
    "shared": Gaussian(SIZE, "shared", start=0.3),
    "entry": Gaussian(SIZE, "entry"),
    "case": Gaussian(SIZE),
}


def parameters_of(likelihood, rows=2, scale=2.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, likelihood.width)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=[*DISCRETE, *REAL])
def likelihood(request):
    return DISCRETE[request.param][0] if request.param in DISCRETE else REAL[request.param]


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
@pytest.mark.parametrize("name", DISCRETE)
def test_masses_sum_to_one(name, scale):
    likelihood, states = DISCRETE[name]
    entries = likelihood.entries(parameters_of(likelihood, scale=scale))
    values = torch.arange(states, dtype=torch.float64)[:, None, None]
    total = entries.log_prob(values).logsumexp(0)
    torch.testing.assert_close(total, torch.zeros_like(total), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", REAL)
def test_densities_integrate_to_one(name):
    likelihood = REAL[name]
    entries = likelihood.entries(parameters_of(likelihood, scale=1.0))
    grid = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    density = entries.log_prob(grid[:, None, None]).exp()
    total = torch.trapezoid(density, grid, dim=0)
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-6, rtol=0)


def test_a_case_is_one_event_of_independent_entries(likelihood):
    parameters = parameters_of(likelihood)
    law = likelihood.distribution(parameters)
    assert (law.batch_shape, law.event_shape) == ((2,), (SIZE,))
    torch.manual_seed(0)
    x = law.sample()
    torch.testing.assert_close(law.log_prob(x), likelihood.entries(parameters).log_prob(x).sum(-1))
    assert law.expand((5, 2)).sample().shape == (5, 2, SIZE)
    assert parameters.shape[-1] == likelihood.width == SIZE * likelihood.each


def test_missing_entries_are_left_out(likelihood):
    parameters = parameters_of(likelihood)
    torch.manual_seed(0)
    x = likelihood.entries(parameters).sample().double()
    x[0, 1] = torch.nan
    there = known(x)
    assert there.tolist() == [[True, False, True], [True, True, True]]
    found = likelihood.distribution(parameters, there).log_prob(filled(x, there))
    each = likelihood.entries(parameters).log_prob(filled(x, there))
    torch.testing.assert_close(found[0], each[0, 0] + each[0, 2])
    torch.testing.assert_close(found[1], each[1].sum())
    assert known(x[1:]) is None
    assert (found[0] - each[0].sum()).abs() > 1e-3  # the missing entry would have counted


def test_works_in_a_program(likelihood):
    parameters = parameters_of(likelihood)

    def program(x=None):
        with pyro.plate("case", 2):
            return pyro.sample("x", likelihood.distribution(parameters), obs=x)

    pyro.set_rng_seed(0)
    x = program()
    trace = pyro.poutine.trace(program).get_trace(x)
    expected = likelihood.distribution(parameters).log_prob(x).sum()
    torch.testing.assert_close(trace.log_prob_sum(), expected)


@pytest.mark.parametrize("components", [1, 2])
def test_levels_are_drawn_as_often_as_their_mass_says(components):
    likelihood = DiscretisedLogistic(1, 6, components)
    entries = likelihood.entries(parameters_of(likelihood, rows=1, scale=0.7, seed=3))
    torch.manual_seed(1)
    draws = 40_000
    x = entries.sample((draws,)).flatten()
    mass = entries.log_prob(torch.arange(6.0).double()[:, None, None]).exp().flatten()
    share = torch.bincount(x.long(), minlength=6) / draws
    error = (mass * (1 - mass) / draws).sqrt()
    assert ((share - mass).abs() < 4 * error + 1e-9).all()
    assert ((share - mass.roll(1)).abs() > 4 * error).any()
    assert float(entries.mean) == pytest.approx(float(x.mean()), abs=4 * float(x.std()) / 200)


def test_a_rounded_logistic_is_the_difference_of_its_distribution_function():
    place, scale = 4.3, 1.7
    law = RoundedLogistics(
        torch.zeros(1).double(), torch.tensor([place]).double(), torch.tensor([scale]).double(), 9
    )

    def cdf(v):
        return 1 / (1 + math.exp(-(v - place) / scale))

    expected = [cdf(0.5), *(cdf(v + 0.5) - cdf(v - 0.5) for v in range(1, 8)), 1 - cdf(7.5)]
    found = law.log_prob(torch.arange(9.0).double()).exp()
    torch.testing.assert_close(found, torch.tensor(expected).double())


def test_far_tails_keep_a_finite_mass_and_gradient():
    place = torch.tensor([200.0], requires_grad=True)
    law = RoundedLogistics(torch.zeros(1), place, torch.tensor([0.3]), 256)
    value = law.log_prob(torch.tensor(5.0))
    assert float(value.detach()) == pytest.approx(-(200 - 5.5) / 0.3, rel=1e-3)
    value.backward()
    assert float(place.grad) == pytest.approx(-1 / 0.3, rel=1e-3)


def test_gaussian_scales_are_what_they_are_called():
    x = torch.zeros(2, SIZE)
    assert (Gaussian(SIZE, 0.5).entries(x).scale == 0.5).all()
    shared = Gaussian(SIZE, "shared", start=0.3)
    torch.testing.assert_close(shared.entries(x).scale, torch.full((2, SIZE), 0.3))
    assert [len(list(law.parameters())) for law in REAL.values()] == [0, 1, 1, 0]
    assert REAL["entry"].log_scale.shape == (SIZE,)
    both = torch.arange(2.0 * SIZE)
    assert REAL["case"].entries(both).mean.tolist() == [0, 1, 2]
    torch.testing.assert_close(REAL["case"].entries(both).scale.log(), both[SIZE:])


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(OptionError, match="scale="):
        Gaussian(2, "mine")
    with pytest.raises(OptionError, match="scale="):
        Gaussian(2, -1.0)
    with pytest.raises(OptionError, match="levels=1"):
        DiscretisedLogistic(2, 1)


def test_levels_outside_are_refused_where_validation_is_on():
    likelihood = DISCRETE["logistic"][0]
    law = likelihood.entries(parameters_of(likelihood))
    strict = RoundedLogistics(law.weights, law.locations, law.scales, 17, validate_args=True)
    with pytest.raises(ValueError, match="support"):
        strict.log_prob(torch.full((2, SIZE), 17.0).double())
