"""Minibatches: what rows count, and what counts once."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen.errors import ModelError
from probgen.learn.variational.objectives import ELBO
from tests.learn.variational.make import gradients, learner_of
from tests.learn.variational.programs import (
    Regression,
    ScaledByHand,
    Subsampled,
    line_data,
)

DATA = line_data(60)


def parts(data, size):
    rows = len(data["x"])
    return [{n: v[s : s + size] for n, v in data.items()} for s in range(0, rows, size)]


def mean_of_minibatches(model, size=12, **settings):
    learner = learner_of(model, DATA, size, **settings)
    found = [gradients(learner, batch) for batch in parts(DATA, size)]
    losses, slopes = zip(*found, strict=True)
    return sum(losses) / len(losses), torch.stack(slopes).mean(0)


def exact(model):
    """The negative log joint of guide's points over all rows, and its gradient, by hand."""
    offset = model.shift * DATA["y"]
    noise = model.log_noise.exp()
    of_slope, of_offset = model.priors()
    total = of_slope.log_prob(model.at) + of_offset.log_prob(offset).sum()
    total = total + dist.Normal(model.at * DATA["x"] + offset, noise).log_prob(DATA["y"]).sum()
    loss = -total / len(DATA["x"])
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    return loss.item(), torch.stack(slopes)


@pytest.mark.parametrize("kind", [Regression, Subsampled, ScaledByHand])
@pytest.mark.parametrize("estimator", ["trace", "graph"])
def test_minibatches_average_to_the_gradient_of_all_rows(kind, estimator):
    objective = ELBO(kind=estimator)
    loss, slopes = mean_of_minibatches(kind(60).double(), objective=objective)
    true_loss, true_slopes = exact(kind(60).double())
    assert loss == pytest.approx(true_loss, abs=1e-10)
    torch.testing.assert_close(slopes, true_slopes, atol=1e-10, rtol=0)


def test_a_program_that_counts_to_another_number_of_rows_is_set_right():
    """As when a part of the rows is held out for validation."""
    _, slopes = mean_of_minibatches(Subsampled(75).double())
    torch.testing.assert_close(slopes, exact(Subsampled(75).double())[1], atol=1e-10, rtol=0)


def test_wrong_weights_of_the_rows_are_caught(monkeypatch):
    """The broken variant: global sites counted once per minibatch instead of once in all."""
    from probgen.learn.variational.layout import Layout

    monkeypatch.setattr(Layout, "weight", lambda self, message, rows: 1 / rows)
    _, slopes = mean_of_minibatches(Regression().double())
    assert (slopes - exact(Regression().double())[1]).abs().max() > 1e-2


class NoPlate(Regression):
    def forward(self, x, y=None):
        of_slope, of_offset = self.priors()
        slope = pyro.sample("slope", of_slope)
        offset = pyro.sample("offset", of_offset.expand([len(x)]).to_event(1))
        noise = self.log_noise.exp()
        pyro.sample("y", dist.Normal(slope * x + offset, noise).to_event(1), obs=y)

    def guide(self, x, y=None):
        pyro.sample("slope", dist.Delta(self.at))
        pyro.sample("offset", dist.Delta(self.shift * y, event_dim=1))


def test_a_program_without_a_plate_is_refused_for_minibatches_only():
    with pytest.raises(ModelError, match=r"'offset' follows the rows.*pyro.plate\('rows', len"):
        learner_of(NoPlate().double(), DATA, 12)
    loss, slopes = gradients(learner_of(NoPlate().double(), DATA), DATA)
    true_loss, true_slopes = exact(NoPlate().double())
    assert loss == pytest.approx(true_loss, abs=1e-10)
    torch.testing.assert_close(slopes, true_slopes, atol=1e-10, rtol=0)
