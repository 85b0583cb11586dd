"""Every zoo model: loads, says where it comes from, has a finite density, and predicts."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from torch.distributions import biject_to

from probgen import models
from probgen.declare.environment import double_precision
from probgen.declare.modelfile import ModelFile
from probgen.declare.program import Program, read_program
from probgen.errors import ModelError

NAMES = models.names()
EXPECTED = {
    "autoregression", "beta_binomial", "eight_schools", "eight_schools_centered", "funnel",
    "item_response", "linear_regression", "logistic_regression", "negative_binomial",
    "poisson_regression", "robust_regression", "stochastic_volatility", "varying_intercepts",
    "varying_slopes", "weibull_survival",
}  # fmt: skip


@pytest.fixture(params=NAMES)
def model(request) -> ModelFile:
    return models.load(request.param)


def observed_names(model: ModelFile) -> list[str]:
    """Arguments that may be left out: the observed values, which are then drawn."""
    parameters = inspect.signature(model.program).parameters.values()
    return [p.name for p in parameters if p.default is None]


def prior_draw(program: Program, seed: int) -> dict[str, torch.Tensor]:
    """Latent sites drawn from the prior, on the real line."""
    with double_precision(), torch.random.fork_rng():
        pyro.set_rng_seed(seed)
        trace = poutine.trace(program.model).get_trace(**program.data)
    messages = {site.name: trace.nodes[site.name] for site in program.of_kind("latent")}
    return {
        name: biject_to(message["fn"].support).inv(message["value"])
        for name, message in messages.items()
    }


def test_the_zoo_holds_the_classics():
    assert set(NAMES) >= EXPECTED


def test_descriptions_come_without_importing_the_models():
    descriptions = models.descriptions()
    assert list(descriptions) == NAMES
    assert all(text.endswith(".") and len(text) < 100 for text in descriptions.values())


def test_an_unknown_name_gets_the_closest():
    with pytest.raises(ModelError, match=r"Did you mean 'eight_schools'.*probgen list"):
        models.load("eight_school")


def test_declaration(model):
    assert model.program.__name__ == model.name
    assert model.program.__doc__
    assert model.description == models.descriptions()[model.name]
    text = inspect.getdoc(inspect.getmodule(model.program))
    assert re.search(r"^Source: .*", text, re.MULTILINE)
    assert re.search(r"\((\d+\w* ed\., )?\d{4}\)", text)  # a year
    assert re.search(r"Data: |no data", text.replace("\n", " "))


def test_data_are_numbers_in_double_precision(model):
    for name, value in model.data.items():
        if isinstance(value, torch.Tensor):
            assert value.dtype in (torch.float64, torch.int64), name
            assert torch.isfinite(value).all(), name
        else:
            assert type(value) is int, name


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_density_and_gradient_are_finite_at_prior_draws(model, seed):
    program = read_program(model.program, model.data)
    point = {name: value.requires_grad_() for name, value in prior_draw(program, seed).items()}
    density = program.evaluate(point).log_density
    assert density.dtype == torch.float64
    assert torch.isfinite(density)
    for name, gradient in zip(
        point, torch.autograd.grad(density, list(point.values())), strict=True
    ):
        assert torch.isfinite(gradient).all(), name


def test_every_batch_dimension_has_a_plate(model):
    for site in read_program(model.program, model.data).sites.values():
        batch = site.shape[: len(site.shape) - site.event_dim]
        unnamed = [
            size
            for size, plate in zip(batch, site.plates, strict=False)
            if plate is None and size > 1
        ]
        assert not unnamed, site.name


def test_without_observations_it_predicts(model):
    observed = observed_names(model)
    given = {name: value for name, value in model.data.items() if name not in observed}
    with double_precision(), torch.random.fork_rng():
        pyro.set_rng_seed(0)
        trace = poutine.trace(model.program).get_trace(**given)
    for name in observed:
        message = trace.nodes[name]
        assert not message["is_observed"]
        assert message["value"].shape == model.data[name].shape
        assert torch.isfinite(message["value"]).all()


def test_the_funnel_reference_is_exact():
    model = models.load("funnel")
    with double_precision(), torch.random.fork_rng():
        pyro.set_rng_seed(0)
        draws = [poutine.trace(model.program).get_trace(**model.data) for _ in range(2000)]
    v = np.array([float(draw.nodes["v"]["value"]) for draw in draws])
    assert abs(v.mean()) < 5 * 3 / np.sqrt(2000)
    assert abs(v.std() - model.reference["v"]["sd"]) < 5 * 3 / np.sqrt(2 * 2000)
    # Var(x) by the law of total variance, from the draws of v alone: log-normal, so in logs.
    assert np.log(model.reference["x"]["sd"]) == pytest.approx(9 / 4)
