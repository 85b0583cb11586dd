"""Log-likelihoods of latent programs against exact ones, and what their errors are worth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError
from probgen.inference.variational.likelihood.moves import Course
from tests.inference.variational.likelihood.ppca import PPCA


@pytest.fixture
def ppca():
    return PPCA()


def test_weights_of_the_exact_posterior_give_the_exact_likelihood(ppca):
    x = ppca.draw(20)
    found = pg.log_likelihood(ppca, {"x": x}, pg.ImportanceWeighted(draws=50), seed=1)
    np.testing.assert_allclose(found.cases, ppca.exact(x), atol=1e-4)
    assert found.error < 1e-5
    assert found.reliable
    assert found.ess.min() > 49.9
    assert "below on average" in str(found)


def test_the_bound_rises_with_the_number_of_draws(ppca):
    x = ppca.draw(60)
    ppca.error, ppca.width = 0.2, 1.3
    truth = float(ppca.exact(x).mean())
    means = [
        pg.log_likelihood(ppca, {"x": x}, pg.ImportanceWeighted(k), seed=1).mean
        for k in (1, 5, 50, 1000)
    ]
    assert all(low < high for low, high in pairwise(means))
    assert means[-1] == pytest.approx(truth, abs=0.05)
    assert means[0] < truth - 0.3


def test_errors_of_cases_are_those_that_are_made(ppca):
    x = ppca.draw(200)
    ppca.width = 1.3
    found = pg.log_likelihood(ppca, {"x": x}, pg.ImportanceWeighted(500), seed=2)
    z = (found.cases - ppca.exact(x).numpy()) / found.errors
    assert 0.8 < z.std() < 1.25
    low, high = found.interval
    assert low < float(ppca.exact(x).mean()) < high


def test_a_narrow_guide_is_not_reliable(ppca):
    x = ppca.draw(20)
    ppca.width, ppca.error = 0.2, 1.0
    found = pg.log_likelihood(ppca, {"x": x}, pg.ImportanceWeighted(200), seed=1)
    assert not found.reliable
    assert "AnnealedImportance" in found.notes[0]


def test_the_same_seed_gives_the_same_numbers(ppca):
    x = ppca.draw(5)
    ppca.width = 1.3
    once, again = (pg.log_likelihood(ppca, {"x": x}, seed=7).cases for _ in range(2))
    np.testing.assert_array_equal(once, again)


FEW = pg.AnnealedImportance(betas=20, sweeps=1, reverse=False)
BOTH = pg.AnnealedImportance(betas=40, sweeps=1)


def test_annealing_finds_the_likelihood_whatever_the_guide(ppca):
    x = ppca.draw(10)
    ppca.width, ppca.error = 0.2, 1.0
    found = pg.log_likelihood(ppca, {"x": x}, BOTH, chains=32, seed=1)
    assert found.mean == pytest.approx(float(ppca.exact(x).mean()), abs=0.1)
    assert found.gap is not None
    assert abs(found.gap) < 0.4
    assert found.reliable
    assert "apart on data of the model itself" in str(found)


def test_annealing_from_the_guide_needs_few_steps(ppca):
    x = ppca.draw(10)
    ppca.width = 1.5
    method = pg.AnnealedImportance(betas=8, sweeps=1, base="guide", reverse=False)
    found = pg.log_likelihood(ppca, {"x": x}, method, chains=32, seed=1)
    assert found.mean == pytest.approx(float(ppca.exact(x).mean()), abs=0.05)


def test_moves_that_forget_to_refuse_are_found_out_by_the_gap(ppca, monkeypatch):
    def careless(self, x, s, step):
        return x + 0.3 * torch.randn_like(x), torch.full((len(x),), 0.65)

    monkeypatch.setattr(Course, "move", careless)
    found = pg.log_likelihood(ppca, {"x": ppca.draw(20)}, BOTH, chains=8, seed=1)
    assert abs(found.gap) > 1
    assert not found.reliable


class Positive(PyroModule):
    """x is Poisson with a rate that is Gamma(2, 1): the likelihood is negative binomial."""

    def __init__(self):
        super().__init__()
        self.shape = nn.Parameter(torch.tensor(2.0))

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            rate = pyro.sample("rate", dist.Gamma(self.shape, 1.0))
            pyro.sample("x", dist.Poisson(rate), obs=x)

    def guide(self, x):
        with pyro.plate("case", len(x)):
            pyro.sample("rate", dist.Gamma(self.shape + x, 2.0))


def test_sites_with_bounds_are_annealed_on_their_unconstrained_scale():
    x = torch.tensor([0.0, 1.0, 2.0, 5.0])
    exact = dist.NegativeBinomial(torch.tensor(2.0), torch.tensor(0.5)).log_prob(x).numpy()
    weighted = pg.log_likelihood(Positive(), {"x": x}, seed=1)
    np.testing.assert_allclose(weighted.cases, exact, atol=1e-4)
    found = pg.log_likelihood(Positive(), {"x": x}, FEW, chains=200, seed=1)
    np.testing.assert_allclose(found.cases, exact, atol=0.1)


class Exact(nn.Module):
    """A module that knows its density."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(2))

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            pyro.sample("x", dist.Normal(self.loc, 1.0).to_event(1), obs=x)

    def log_prob(self, x):
        return dist.Normal(self.loc, 1.0).to_event(1).log_prob(x)


def test_modules_that_know_their_density_are_exact():
    x = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    found = pg.log_likelihood(Exact(), {"x": x})
    np.testing.assert_allclose(found.cases, Exact().log_prob(x).detach(), rtol=1e-6)
    assert (found.bound, found.error, found.reliable) == ("exact", 0.0, True)
    with pytest.raises(OptionError, match="knows its density"):
        pg.log_likelihood(Exact(), {"x": x}, pg.ImportanceWeighted())


class Global(PPCA):
    """With a site that all cases share."""

    def forward(self, x=None):
        pyro.sample("shared", dist.Normal(0.0, 1.0))
        super().forward(x)

    def guide(self, x):
        pyro.sample("shared", dist.Normal(0.0, 1.0))
        super().guide(x)


class Discrete(PyroModule):
    """A mixture of two."""

    def forward(self, x=None):
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(2 * z, 1.0), obs=x)

    def guide(self, x):
        with pyro.plate("case", len(x)):
            pyro.sample("z", dist.Bernoulli(torch.sigmoid(2 * x - 2)))


def test_discrete_sites_are_weighted_and_not_annealed():
    x = torch.tensor([0.0, 1.5, 3.0])
    parts = torch.stack([dist.Normal(m, 1.0).log_prob(x) for m in (0.0, 2.0)])
    exact = (parts.logsumexp(0) - np.log(2)).numpy()
    np.testing.assert_allclose(pg.log_likelihood(Discrete(), {"x": x}).cases, exact, atol=1e-5)
    with pytest.raises(ModelError, match=r"'z' is discrete: use ImportanceWeighted"):
        pg.log_likelihood(Discrete(), {"x": x}, FEW)


def test_what_has_no_likelihood_says_why(ppca):
    x = ppca.draw(4)
    with pytest.raises(ModelError, match="'shared' stands in no plate of rows"):
        pg.log_likelihood(Global(), {"x": x})
    with pytest.raises(ModelError, match="no `guide`"):
        pg.log_likelihood(nn.Linear(2, 2), {"x": x})
    with pytest.raises(ModelError, match="PyroModule"):
        pg.log_likelihood(lambda x: None, {"x": x})
    with pytest.raises(DataError, match="two cases"):
        pg.log_likelihood(ppca, {"x": x[:1]})
    with pytest.raises(OptionError, match="'prior' or 'guide'"):
        pg.log_likelihood(ppca, {"x": x}, pg.AnnealedImportance(base="fields"))
    with pytest.raises(OptionError, match="ImportanceWeighted"):
        pg.log_likelihood(ppca, {"x": x}, pg.Exact())
    with pytest.raises(OptionError, match="draws=0"):
        pg.ImportanceWeighted(draws=0)
    with pytest.raises(OptionError, match="samples="):
        pg.log_likelihood(ppca, {"x": x}, samples=3)
