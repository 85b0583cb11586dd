"""Maximum likelihood of modules: programs without latent sites, and modules with a density."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.errors import ModelError, OptionError
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood

Y = torch.tensor([1.0, 2.0, 4.0, 5.0, 3.0, 3.0])


class Normal(PyroModule):
    """One normal: its maximum likelihood is the mean and the deviation of the rows."""

    def __init__(self, latent=False):
        super().__init__()
        self.mean, self.log_scale = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.latent = latent

    def forward(self, y=None):
        shift = pyro.sample("shift", dist.Normal(0.0, 1.0)) if self.latent else 0.0
        with pyro.plate("row", 1 if y is None else len(y)):
            pyro.sample("y", dist.Normal(self.mean + shift, self.log_scale.exp()), obs=y)


class Counted(nn.Module):
    """A module that knows its density, and counts what it starts from."""

    def __init__(self):
        super().__init__()
        self.mean, self.rows = nn.Parameter(torch.zeros(())), 0

    def forward(self, y=None):
        with pyro.plate("row", 1 if y is None else len(y)):
            pyro.sample("y", dist.Normal(self.mean, 1.0), obs=y)

    def log_prob(self, y):
        return -0.5 * (y - self.mean).square()

    def start_from(self, batches):
        self.rows = sum(len(batch["y"]) for batch in batches)


def learned(model, **settings):
    method = MaximumLikelihood(learning_rate=pg.schedules.Cosine(0.3), **settings)
    return pg.fit(model, method, data={"y": Y}, epochs=250, seed=1, progress=False)


@pytest.mark.parametrize("settings", [{}, {"optimiser": "rprop"}, {"optimiser": torch.optim.Adam}])
def test_a_program_without_latent_sites_is_learned(settings):
    fit = learned(Normal(), **settings)
    deviation = Y.std(correction=0)
    assert float(fit.model.mean.detach()) == pytest.approx(float(Y.mean()), abs=0.02)
    assert float(fit.model.log_scale.exp().detach()) == pytest.approx(float(deviation), abs=0.02)
    entropy = 0.5 * math.log(2 * math.pi * math.e * float(deviation) ** 2)
    assert fit.summary["last_loss"] == pytest.approx(entropy, abs=0.01)  # nats per row


def test_a_module_with_a_density_is_not_traced():
    fit = learned(Counted())
    assert float(fit.model.mean.detach()) == pytest.approx(3.0, abs=0.02)
    assert fit.model.rows == len(Y)


def test_weight_decay_pulls_to_zero():
    decayed = learned(Counted(), optimiser="adamw", weight_decay=1.0)
    assert float(decayed.model.mean.detach()) < 2.9


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(ModelError, match=r"'shift' is not observed.*SVI"):
        learned(Normal(latent=True))
    with pytest.raises(OptionError, match="optimiser='best'"):
        learned(Normal(), optimiser="best")


def test_the_same_value_counts_a_network():
    fit = pg.fit([("a", "b")], pg.MaximumLikelihood(), data={"a": [0, 1, 1], "b": [0, 0, 1]})
    assert fit.summary["log_likelihood"] < 0
