"""Guides that do not fit their model: every complaint names the site and the cure."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, ModelError, OptionError, TrainingError

DATA = {"y": [1.0, 2.0, 0.5]}


def model(y):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    scale = pyro.sample("scale", dist.Gamma(2.0, 2.0))
    with pyro.plate("case", 3):
        pyro.sample("y", dist.Normal(mean, scale), obs=y)


def infer(guide, program=model, steps=0, **settings):
    return pg.infer(
        program, pg.SVI(guide=guide, steps=steps, **settings), data=DATA, seed=1, chains=1,
        draws=100, progress=False,
    )  # fmt: skip


def lacks_a_site(y):
    pyro.sample("mean", dist.Normal(0.0, 1.0))


def has_another_site(y):
    lacks_a_site(y)
    pyro.sample("scale", dist.Gamma(2.0, 2.0))
    pyro.sample("spare", dist.Normal(0.0, 1.0))


def samples_data(y):
    lacks_a_site(y)
    pyro.sample("scale", dist.Gamma(2.0, 2.0))
    with pyro.plate("case", 3):
        pyro.sample("y", dist.Normal(0.0, 1.0))


def of_another_shape(y):
    lacks_a_site(y)
    pyro.sample("scale", dist.Gamma(torch.full((2,), 2.0), 2.0).to_event(1))


def negative_scale(y):
    lacks_a_site(y)
    pyro.sample("scale", dist.Normal(3.0, 2.0))


def discrete_scale(y):
    lacks_a_site(y)
    pyro.sample("scale", dist.Poisson(3.0))


def singular(y):
    zeros = torch.zeros(2, 2)
    pyro.sample("both", dist.MultivariateNormal(torch.zeros(2), covariance_matrix=zeros))


def other_arguments(x):
    lacks_a_site(x)


@pytest.mark.parametrize(
    ("guide", "words"),
    [
        (lacks_a_site, ["'scale'", "add", "pyro.sample('scale'"]),
        (has_another_site, ["'spare'", "is_auxiliary"]),
        (samples_data, ["'y'", "observes"]),
        (of_another_shape, ["'scale'", "shape"]),
        (negative_scale, ["'scale'", ">= 0", "biject_to"]),
        (discrete_scale, ["'scale'", "continuous in the model and discrete in the guide"]),
        (singular, ["guide", "positive definite", "diagonal"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_guides_that_do_not_fit_are_named(guide, words):
    with pytest.raises(ModelError) as raised:
        infer(guide)
    for word in words:
        assert word in str(raised.value)


def test_a_guide_takes_the_arguments_of_the_model():
    with pytest.raises(DataError, match="arguments y"):
        infer(other_arguments)


def right(y):
    pyro.sample("mean", dist.Normal(pyro.param("at", torch.tensor(1.0)), 1.0))
    pyro.sample("scale", dist.Gamma(2.0, 2.0))


def test_a_guide_that_fits_is_drawn_from():
    tree = infer(right)
    assert set(tree.posterior.data_vars) == {"mean", "scale"}
    assert tree.attrs["pareto_k"] is not None


def narrower(y):
    pyro.sample("mean", dist.HalfNormal(1.0))
    pyro.sample("scale", dist.Gamma(2.0, 2.0))


def test_a_guide_of_a_smaller_support_is_warned_of():
    """Pareto k cannot see it: no draw lies where the guide has no density."""
    tree = infer(narrower)
    assert "what lies outside is missed" in tree.attrs["notes"]
    found = [f for f in pg.diagnose(tree).findings if "lies outside is missed" in f.message]
    assert [f.severity for f in found] == ["warning"]


def bounds_that_are_trained(y):
    at = pyro.param("at", torch.tensor(1.0))
    pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.sample("scale", dist.Uniform(0.1, 3.0 + at))


def test_bounds_that_are_trained_are_said_without_a_murmur(recwarn):
    assert "[0.1, 4]" in str(infer(bounds_that_are_trained).attrs["notes"])
    assert not [w for w in recwarn if "requires_grad" in str(w.message)]


def draws_nan(y):
    pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.sample("scale", dist.LogNormal(torch.tensor(float("nan")), 1.0))


def forgets_an_argument(y):
    pyro.sample("mean", dist.Normal())


def divides_by_zero(y):
    pyro.sample("mean", dist.Normal(1 / 0, 1.0))


@pytest.mark.parametrize(
    ("guide", "words"),
    [
        (draws_nan, "NaN at 'scale', from LogNormal"),
        (forgets_an_argument, r"The guide 'forgets_an_argument' raises TypeError"),
        (divides_by_zero, "The guide 'divides_by_zero' raises ZeroDivisionError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_goes_wrong_in_a_guide_is_told_as_it_is(guide, words):
    with pytest.raises(ModelError, match=words):
        infer(guide)


def test_nothing_to_train_is_an_error():
    with pytest.raises(OptionError, match="steps=0"):
        infer(has_no_parameters, steps=10)


def has_no_parameters(y):
    pyro.sample("mean", dist.Normal(0.0, 1.0))
    pyro.sample("scale", dist.Gamma(2.0, 2.0))


def test_losses_that_are_not_finite_name_step_and_site():
    runs = []

    def breaks_down(y):
        runs.append(1)
        at = pyro.param("at", torch.tensor(1.0))
        pyro.sample("mean", dist.Normal(at, 1.0))
        pyro.sample("scale", dist.LogNormal(at * (float("nan") if len(runs) > 40 else 1.0), 1.0))

    with pytest.raises(TrainingError, match=r"20 steps in a row, by step \d+: .*'scale'"):
        infer(breaks_down, steps=200)


class Rejected(dist.Gamma):
    """A distribution whose draws have no gradient."""

    has_rsample = False


def without_gradient(y):
    pyro.sample("mean", dist.Normal(pyro.param("at", torch.tensor(1.0)), 1.0))
    pyro.sample("scale", Rejected(torch.tensor(2.0), torch.tensor(2.0)))


def test_sites_without_a_gradient_are_named_where_one_is_needed():
    from probgen.learn.variational.objectives import RenyiELBO

    with pytest.raises(ModelError, match="'scale'"):
        infer(without_gradient, steps=10, objective=RenyiELBO())


def test_a_class_that_needs_arguments_says_so():
    class Guide(torch.nn.Module):
        def __init__(self, size):
            super().__init__()

    with pytest.raises(OptionError, match=r"Guide\(\.\.\.\)"):
        infer(Guide)


def test_the_global_parameter_store_is_left_alone():
    pyro.clear_param_store()
    infer(right, steps=20, tolerance=None)
    assert not pyro.get_param_store().keys()
