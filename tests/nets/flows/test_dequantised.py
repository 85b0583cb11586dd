"""Flows over integers: bounds on exact probabilities, and likelihoods per dimension."""

import math

import pytest
import torch

import probgen as pg
from probgen.errors import DataError, OptionError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.nets.flows.dequantised import DequantisedFlow

TABLE = torch.tensor([[0.4, 0.05, 0.05], [0.05, 0.05, 0.4]])  # of a pair of integers, 2 x 3


def pairs(rows, seed=0):
    random = torch.Generator().manual_seed(seed)
    cells = torch.multinomial(TABLE.flatten(), rows, True, generator=random)
    return torch.stack([cells // 3, cells % 3], -1)


@pytest.fixture(scope="module")
def model():
    flow = DequantisedFlow("nsf", 2, levels=3, transforms=2, hidden=(16, 16))
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(1e-2))
    options = {"epochs": 12, "batch_size": 250, "seed": 1, "progress": False}
    return pg.fit(flow, method, data={"x": pairs(4000)}, **options).model


def cells(levels=3):
    return torch.cartesian_prod(torch.arange(levels), torch.arange(levels))


def test_probabilities_sum_to_less_than_one_and_reach_it_with_draws(model):
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        one = torch.stack([model.log_prob(cells()) for _ in range(100)]).mean(0)
        many = model.log_prob(cells(), draws=2000)
    total = float(many.exp().sum())
    assert total == pytest.approx(1.0, abs=0.05)  # alpha keeps a little beyond the ends
    assert total < 1.01
    assert (one <= many + 0.1).all()
    torch.testing.assert_close(many.exp().reshape(3, 3)[:2], TABLE, atol=0.06, rtol=0)
    x = pairs(2000, seed=3)
    entropy = float(-(TABLE * TABLE.log()).sum())
    with torch.no_grad():
        bits, of_one = (float(model.bits_per_dimension(x, draws=draws)) for draws in (50, 1))
    assert bits == pytest.approx(entropy / (2 * math.log(2)), abs=0.08)
    assert of_one > bits


def test_learned_noise_estimates_the_same_probabilities():
    """Whatever the noise is, exp of the bound is unbiased; its density is part of it."""
    flow = DequantisedFlow("maf", 2, levels=3, noise="variational").double()
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in flow.noise.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        learned = flow.log_prob(cells(), draws=20_000)
        noise, flow.noise = flow.noise, None
        uniform = flow.log_prob(cells(), draws=20_000)
        flow.noise = noise
        torch.testing.assert_close(learned, uniform, atol=0.05, rtol=0)
        u, log_q = flow._noise(cells(), 4000)
    assert ((u > 0) & (u < 1)).all()
    whole = log_q.exp().reciprocal().mean()  # the volume of [0, 1]^2, if it is a density there
    assert float(whole) == pytest.approx(1.0, abs=0.05)
    assert log_q.mean() > 0.02  # and not the uniform one


def test_first_weights_follow_from_the_seed():
    def weights(seed):
        torch.rand(1)  # whatever happened before
        flow = DequantisedFlow("maf", 2, levels=3, noise="variational", seed=seed)
        return torch.cat([p.detach().flatten() for p in flow.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_learned_noise_learns():
    flow = DequantisedFlow("maf", 2, levels=3, noise="variational")
    options = {"epochs": 1, "seed": 1, "progress": False}
    fit = pg.fit(flow, MaximumLikelihood(), data={"x": pairs(500)}, **options)
    before, after = flow.noise.state_dict(), fit.model.noise.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_draws_are_integers_of_the_right_frequencies(model):
    drawn = model.sample(4000, seed=0)
    assert set(drawn.unique().tolist()) <= {0.0, 1.0, 2.0}
    counts = torch.bincount((drawn[:, 0] * 3 + drawn[:, 1]).long(), minlength=9) / 4000
    torch.testing.assert_close(counts[:6].reshape(2, 3), TABLE, atol=0.05, rtol=0)


def test_counts_have_no_bound():
    counts = torch.distributions.Poisson(30.0).sample((500, 2))
    flow = DequantisedFlow("gaussian", 2, levels=None)
    method = MaximumLikelihood(learning_rate=1e-2)
    fit = pg.fit(flow, method, data=counts, epochs=3, seed=1, progress=False)
    drawn = fit.model.sample(2000, seed=0)
    assert (drawn >= 0).all()
    assert float(drawn.mean()) == pytest.approx(30, abs=1.5)


def test_what_is_no_integer_of_the_range_is_refused():
    flow, method = DequantisedFlow("maf", 2, levels=3), MaximumLikelihood()
    for bad in (torch.tensor([[0.5, 1.0], [1, 2]]), torch.tensor([[0, 3], [1, 2]])):
        with pytest.raises(DataError, match=r"integer, 0 \.\. 2"):
            pg.fit(flow, method, data=bad, epochs=1, progress=False)
    with pytest.raises(OptionError, match="noise='normal'"):
        DequantisedFlow("maf", 2, 3, noise="normal")
    with pytest.raises(OptionError, match="levels=1"):
        DequantisedFlow("maf", 2, 1)
