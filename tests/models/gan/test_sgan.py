"""SGAN: its critic is a classifier of K + 1 classes, and unlabelled digits help it."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

import probgen as pg
from probgen.models import _digits
from probgen.models.gan import SGAN, sgan

OPTIONS = {"epochs": 150, "batch_size": 200, "watch": None, "progress": False}


def chosen(seed, each=5):
    """Training digits in another order, and the labels of the first `each` of a class."""
    order = torch.randperm(1200, generator=torch.Generator().manual_seed(seed))
    y = _digits.labels("train")[order]
    return {"x": sgan.data()["x"][order], "y": sgan.few(y, each)}


def right(model):
    """Per cent of the test digits that are named right."""
    test = sgan.data("test")
    with torch.no_grad():
        told = model.log_probabilities(test["x"]).argmax(-1)
    return 100 * float((told == test["y"]).float().mean())


def supervised(rows, seed):
    """The same network taught by the labelled rows alone."""
    torch.manual_seed(seed)
    known = rows["y"] >= 0
    model = SGAN()
    optimiser = torch.optim.Adam(model.critic.parameters(), 1e-3)
    for _ in range(1000):
        optimiser.zero_grad()
        cross_entropy(model.critic.logits(rows["x"][known]), rows["y"][known]).backward()
        optimiser.step()
    return right(model)


def test_the_score_is_that_of_one_class_more_with_logit_zero():
    """Salimans et al. (2016), section 5."""
    torch.manual_seed(0)
    model, method = SGAN(hidden=(16,)).double(), sgan.method
    real, fake = torch.randn(7, 64).double(), torch.randn(7, 64).double()
    y = torch.arange(7)
    with torch.no_grad():
        scores = model.critic(real), model.critic(fake)
        whole = [
            torch.cat([model.critic.logits(x), torch.zeros(7, 1).double()], 1).log_softmax(1)
            for x in (real, fake)
        ]
        torch.testing.assert_close(1 - whole[0][:, -1].exp(), scores[0].sigmoid())
        told = model.log_probabilities(real)[torch.arange(7), y].mean()
    found = method.game.critic(*scores)
    unlabelled = -(1 - whole[0][:, -1].exp()).log().mean() - whole[1][:, -1].mean()
    torch.testing.assert_close(found, unlabelled)
    labelled = -whole[0][torch.arange(7), y].mean() - whole[1][:, -1].mean()
    torch.testing.assert_close(found - told, labelled)  # cross-entropy of all K + 1 classes
    wrong = softplus(-real.mean(1)).mean() + softplus(fake.mean(1)).mean()
    assert abs(float(wrong - unlabelled)) > 1e-3  # a score that is no log sum exp is another


def test_the_class_loss_falls_below_the_floor_of_a_softmax_of_a_softmax():
    torch.manual_seed(0)
    data = sgan.data()
    known = data["y"] >= 0
    rows = {name: value[known] for name, value in data.items()}
    fit = pg.fit(
        SGAN(), sgan.method, data=rows, epochs=60, batch_size=50, seed=1, watch=None,
        progress=False,
    )  # fmt: skip
    loss = float(fit.tree["history"]["code_y_real"].values[-1])
    assert math.log(1 + 9 / math.e) == pytest.approx(1.46, abs=0.01)  # K classes
    assert math.log(1 + 10 / math.e) == pytest.approx(1.54, abs=0.01)  # K + 1
    assert loss < 0.5


def test_labels_teach_the_critic_and_missing_ones_nothing():
    torch.manual_seed(0)
    model, x = SGAN(hidden=(16,)), sgan.data()["x"][:100]
    none = pg.fit(
        model, sgan.method, data={"x": x, "y": torch.full((100,), -1)}, epochs=2, seed=1,
        watch=None, progress=False,
    )  # fmt: skip
    assert "code_y_real" not in none.tree["history"]
    some = pg.fit(
        model, sgan.method, data={"x": x, "y": torch.arange(100) % 10}, epochs=2, seed=1,
        watch=None, progress=False,
    )  # fmt: skip
    assert (some.tree["history"]["code_y_real"].values > 1).all()
    heads = [fit.model.critic.head.weight for fit in (none, some)]
    assert (heads[0] - heads[1]).abs().max() > 1e-4


def test_five_labels_of_each_digit_are_known():
    y = sgan.data()["y"]
    assert [int((y == digit).sum()) for digit in range(10)] == [5] * 10
    assert int((y == -1).sum()) == 1150
    assert (sgan.data("test")["y"] >= 0).all()


def test_the_papers_settings():
    model, method, options = sgan.reproduce()
    assert isinstance(method.game, pg.games.FeatureMatching)
    assert options == {"epochs": 300, "batch_size": 100}
    x = model.generator(torch.randn(4, 100))
    assert x.shape == (4, 784)
    assert model.critic.features(x).shape == (4, 250)
    assert model.log_probabilities(x).shape == (4, 10)
    assert not torch.equal(model.critic(x), model.critic(x))  # its noise
    model.eval()
    assert torch.equal(model.critic(x), model.critic(x))


@pytest.mark.slow
def test_unlabelled_digits_are_worth_three_points():
    alone, both = [], []
    for seed in range(3):
        rows = chosen(seed)
        alone.append(supervised(rows, seed))
        torch.manual_seed(seed)
        fit = pg.fit(SGAN(), sgan.method, data=rows, seed=seed, **OPTIONS)
        both.append(right(fit.model.eval()))
    print("SGAN, per cent right: labels alone", alone, "with unlabelled", both)
    assert sum(both) / 3 >= sum(alone) / 3 + 3
