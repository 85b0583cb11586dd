"""Zoo models that are learned: they load, their data fit, and learning them improves them."""

from __future__ import annotations

import inspect
import itertools
import re

import pytest
import torch

import probgen as pg
from probgen import models
from probgen.models.class_rbm import ClassRBM
from probgen.models.ratings_rbm import RatingsRBM, answers, hidden_answers
from probgen.nets.boltzmann.values import read_values
from tests.nets.boltzmann.machines import every_state

MACHINES = ("rbm", "gaussian_rbm", "class_rbm", "ratings_rbm", "dbm")


@pytest.fixture(params=MACHINES)
def model(request):
    return models.load(request.param)


def drawn(machine, scale: float = 1.0):
    """The machine in double precision with every parameter drawn."""
    machine, random = machine.double(), torch.Generator().manual_seed(0)
    for parameter in machine.parameters():
        shape = parameter.shape
        parameter.data = scale * torch.randn(shape, generator=random, dtype=torch.float64)
    return machine


def test_the_zoo_tells_learned_models_from_others():
    assert set(models.names(learned=True)) >= set(MACHINES)
    assert not set(models.names(learned=False)) & set(MACHINES)
    assert sorted(models.names(learned=True) + models.names(learned=False)) == models.names()


def test_declaration(model):
    assert type(model.program).__doc__
    assert model.method.learns == "program"
    text = inspect.getdoc(inspect.getmodule(type(model.program)))
    assert re.search(r"^Source: .*", text, re.MULTILINE)
    assert re.search(r"\(\d{4}\)", text)
    assert "Data: " in text


def test_the_data_are_in_the_domain(model):
    values = read_values(model.program, model.data)
    assert set(values) == {units.name for units in model.program.layers[0]}
    assert pg.check(model.program, model.data).ok


def test_every_loading_gives_a_machine_of_its_own(model):
    other = models.load(model.name)
    model.program.biases[0].data += 1
    assert not torch.equal(other.program.biases[0], model.program.biases[0])
    assert torch.equal(other.program.weights[0], model.program.weights[0])


def test_data_have_the_published_sizes():
    sizes = {name: len(next(iter(models.load(name).data.values()))) for name in MACHINES}
    digits = {"rbm": 1797, "class_rbm": 1797, "dbm": 1797}
    assert sizes == {**digits, "gaussian_rbm": 178, "ratings_rbm": 944}


def test_wines_are_standardised():
    x = models.load("gaussian_rbm").data["x"]
    torch.testing.assert_close(x.mean(0), torch.zeros(13), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0), torch.ones(13), atol=1e-5, rtol=0)


def test_one_answer_of_each_person_is_kept_back():
    x = models.load("ratings_rbm").data["rating"]
    assert x.isnan().sum(1).tolist() == [1] * 944
    assert torch.equal(x.isnan(), hidden_answers())
    assert torch.equal(x[~x.isnan()], answers()[~x.isnan()])


def test_the_law_of_the_label_is_that_of_the_joint():
    """log p(y | x) against the sum over all hidden states of the joint's energy."""
    machine = drawn(ClassRBM(visible=3, classes=3, hidden=2))
    hidden = every_state(machine, 1)
    for x in itertools.product((0.0, 1.0), repeat=3):
        rows, labels = torch.tensor([x] * 3).double(), torch.arange(3)[:, None]
        visible = machine.encode(0, {"x": rows, "y": labels})
        each = [-machine.energy([visible, state.expand(3, -1)]) for state in hidden]
        expected = torch.stack(each).logsumexp(0).log_softmax(0)
        found = machine.log_probabilities(rows[:1])[0]
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(machine.log_conditional(labels, rows), expected)
        torch.testing.assert_close(machine.log_conditional(labels[:, 0], rows), expected)
        assert (found - expected.roll(1)).abs().max() > 1e-3  # labels are not mixed up


def test_the_discriminative_likelihood_is_a_loss():
    machine = drawn(ClassRBM(visible=3, classes=3, hidden=2))
    x, y = torch.eye(3).double(), torch.arange(3)
    before = -machine.log_conditional(y, x).mean()
    before.backward()
    gradient = {name: p.grad for name, p in machine.named_parameters() if p.numel()}
    assert all(part.abs().max() > 0 for name, part in gradient.items() if name != "biases.0")
    # The biases of the pixels are in no p(y | x).
    assert gradient["biases.0"][:3].abs().max() < 1e-12
    with torch.no_grad():
        for name, parameter in machine.named_parameters():
            if name in gradient:
                parameter -= 0.1 * gradient[name]
    assert -machine.log_conditional(y, x).mean() < before


def test_predictions_are_expectations_given_the_rated_items_only():
    """Against the energy of the person's own machine, with units for rated items alone."""
    machine = drawn(RatingsRBM(items=3, scale=4, hidden=2))
    rating = torch.tensor([[3.0, torch.nan, 1.0], [torch.nan, torch.nan, 2.0]]).double()
    found = machine.predict(rating).detach()
    hidden = every_state(machine, 1)
    for person, item in itertools.product(range(2), range(3)):
        weights = []
        for value in range(4):
            own = rating[person].clone()
            own[item] = value
            visible = machine.encode(0, {"rating": own[None]}).expand(len(hidden), -1)
            weights.append((-machine.energy([visible, hidden])).logsumexp(0))
        law = torch.stack(weights).softmax(0).detach()
        assert float(found[person, item]) == pytest.approx(float(law @ torch.arange(4.0).double()))
    # An unrated item is neither rated 0 nor averaged over: both are other predictions.
    zero = machine.predict(rating.nan_to_num()).detach()
    assert (zero - found).abs().max() > 1e-3


def test_the_classifier_learns():
    model = models.load("class_rbm")
    train = {name: value[:1200] for name, value in model.data.items()}
    fit = pg.fit(model.program, model.method, data=train, epochs=8, seed=1, progress=False)
    x, y = model.data["x"][1200:], model.data["y"][1200:, 0]
    with torch.no_grad():
        told = fit.model.log_probabilities(x).argmax(-1)
    assert (told == y).float().mean() > 0.8  # 0.1 by chance, and before learning


def test_predicted_ratings_are_better_than_the_item_means():
    model = models.load("ratings_rbm")
    fit = pg.fit(model.program, model.method, data=model.data, epochs=15, seed=1, progress=False)
    x, kept_back = model.data["rating"], hidden_answers()

    def error(predicted) -> float:
        return float((predicted - answers())[kept_back].square().mean().sqrt())

    with torch.no_grad():
        learned, untrained = fit.model.predict(x), model.program.predict(x)
    means = x.nanmean(0).expand_as(x)
    assert error(learned) < 0.88 * error(means)
    assert error(untrained) > error(means)


def test_the_gaussian_machine_is_better_than_one_normal_with_all_covariances():
    from probgen.inference.log_likelihood import log_likelihood

    model = models.load("gaussian_rbm")
    order = torch.randperm(178, generator=torch.Generator().manual_seed(0))
    train, test = model.data["x"][order[:140]], model.data["x"][order[140:]]
    fit = pg.fit(model.program, model.method, data={"x": train}, epochs=80, seed=1, progress=False)
    normal = torch.distributions.MultivariateNormal(train.mean(0), torch.cov(train.T))
    alone = torch.distributions.Normal(train.mean(0), train.std(0)).log_prob(test).sum(-1).mean()
    found = log_likelihood(fit.model, {"x": test})
    assert found.mean > float(normal.log_prob(test).mean()) > float(alone)
    assert log_likelihood(model.program, {"x": test}).mean < float(alone) + 0.5  # untrained
