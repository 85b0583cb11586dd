"""Pyro programs of every shape that probgen reads, each with data, for the tests of `declare`.

`PROGRAMS` maps a name to the program and its data. `BEYOND_PYRO` names those whose density
Pyro's own HMC cannot compute (or gets wrong), which are compared with formulas instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch.distributions import constraints

_generator = torch.Generator().manual_seed(7)
Y = torch.randn(8, generator=_generator, dtype=torch.float64)
X = torch.randn(8, 2, generator=_generator, dtype=torch.float64)
TABLE = torch.randn(4, 3, generator=_generator, dtype=torch.float64)

PROGRAMS: dict[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {}


def program(**data: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(model: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[model.__name__] = (model, data)
        return model

    return register


def normal_mean(y, scale=1.0):
    mu = pyro.sample("mu", dist.Normal(0.0, scale))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


class Holder:
    def method(self, y):
        return normal_mean(y)

    def __call__(self, y):
        return normal_mean(y)


PROGRAMS["function"] = (normal_mean, {"y": Y})
PROGRAMS["partial"] = (functools.partial(normal_mean, scale=2.0), {"y": Y})
PROGRAMS["bound_method"] = (Holder().method, {"y": Y})
PROGRAMS["callable_object"] = (Holder(), {"y": Y})


@program(y=Y)
def any_arguments(*args, **kwargs):
    normal_mean(kwargs["y"])


def schools(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(1.0))
    with pyro.plate("n", 8):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.sample("y", dist.Normal(theta, 1.0), obs=y)


PROGRAMS["reparametrised"] = (
    poutine.reparam(config={"theta": LocScaleReparam(0.0)})(schools),
    {"y": Y},
)
PROGRAMS["half_reparametrised"] = (
    poutine.reparam(schools, config={"theta": LocScaleReparam(0.5)}),
    {"y": Y},
)
PROGRAMS["conditioned"] = (poutine.condition(schools, data={"mu": torch.tensor(0.3)}), {"y": Y})
PROGRAMS["scaled"] = (poutine.scale(schools, scale=0.5), {"y": Y})


@program(y=Y)
def masked_and_scaled(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("n", 8), poutine.mask(mask=y > 0), poutine.scale(scale=2.0):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@program(y=Y)
def observed_in_part(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.LogNormal(mu, 1.0), obs=y.exp(), obs_mask=y > 0)


@program(y=Y[:3])
def sequential_plate(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    for i in pyro.plate("n", 3):
        theta = pyro.sample(f"theta_{i}", dist.Normal(mu, 1.0))
        pyro.sample(f"y_{i}", dist.Normal(theta, 1.0), obs=y[i])


@program(y=TABLE)
def nested_plates(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("column", 3):
        effect = pyro.sample("effect", dist.Normal(mu, 1.0))
        with pyro.plate("row", 4):
            pyro.sample("y", dist.Normal(effect, 1.0), obs=y)


@program(y=Y / 10)
def moving_support(y):
    high = pyro.sample("high", dist.Uniform(1.0, 3.0))
    low = pyro.sample("low", dist.Uniform(0.0, high))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(low, high), obs=y)


@program(y=Y)
def improper_sites(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0).mask(False))
    sigma = pyro.sample("sigma", dist.ImproperUniform(constraints.positive, (), ()))
    with pyro.plate("n", 8):
        effect = pyro.sample("effect", dist.ImproperUniform(constraints.real, (), ()))
        pyro.sample("y", dist.Normal(mu, sigma), obs=y)
        pyro.sample("z", dist.Normal(effect, 1.0), obs=y)


@program(y=Y)
def fixed_parameter(y):
    scale = pyro.param("scale", torch.tensor(2.0), constraint=constraints.positive)
    mu = pyro.sample("mu", dist.Normal(0.0, scale))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@program(y=Y.sigmoid())
def transformed_distributions(y):
    exponential = [dist.transforms.ExpTransform()]
    scale = pyro.sample("scale", dist.TransformedDistribution(dist.Normal(0.0, 1.0), exponential))
    logistic = [dist.transforms.SigmoidTransform()]
    with pyro.plate("n", 8):
        noise = dist.TransformedDistribution(dist.Normal(0.0, scale), logistic)
        pyro.sample("y", noise, obs=y)


@program(y=TABLE)
def correlated(y):
    factor = pyro.sample("factor", dist.LKJCholesky(3, 2.0))
    scale = pyro.sample("scale", dist.HalfNormal(torch.ones(3)).to_event(1))
    with pyro.plate("row", 4):
        noise = dist.MultivariateNormal(torch.zeros(3), scale_tril=scale[:, None] * factor)
        pyro.sample("y", noise, obs=y)


@program(y=torch.tensor([0, 1, 2, 1, 1]))
def categories(y):
    p = pyro.sample("p", dist.Dirichlet(torch.ones(3)))
    with pyro.plate("n", 5):
        pyro.sample("y", dist.Categorical(p), obs=y)


@program(y=Y)
def mixture(y):
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("component", 2):
        mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("n", 8):
        parts = dist.MixtureSameFamily(dist.Categorical(weights), dist.Normal(mean, 1.0))
        pyro.sample("y", parts, obs=y)


@program(y=Y)
def latent_mixture(y):
    halves = dist.Categorical(torch.tensor([0.5, 0.5]))
    slab = dist.MixtureSameFamily(halves, dist.Normal(torch.zeros(2), torch.tensor([0.1, 2.0])))
    mu = pyro.sample("mu", slab)
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@program(y=Y)
def factors(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.factor("total", dist.Normal(mu, 1.0).log_prob(y).sum())
    with pyro.plate("n", 8):
        pyro.factor("each", -((mu - y) ** 2))


@program(y=Y)
def deterministic_sites(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.deterministic("twice", 2.0 * mu)
    with pyro.plate("n", 8):
        shifted = pyro.deterministic("shifted", mu + y, event_dim=0)
        pyro.deterministic("whole", mu + y)
        pyro.sample("y", dist.Normal(shifted, 1.0), obs=y)


@program(y=Y)
def delta_sites(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    twice = pyro.sample("twice", dist.Delta(mu * 2))
    pair = torch.tensor([1.0, 2.0])
    scale = pyro.sample("scale", dist.Delta(pair, log_density=torch.tensor(-3.0), event_dim=1))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(twice, scale.sum()), obs=y)


class Linear(torch.nn.Module):
    """A network in float32 with a Pyro program around it."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.1, -0.7]]))
            self.layer.bias.fill_(0.3)

    def forward(self, x, y=None):
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        with pyro.plate("n", len(x)):
            return pyro.sample("y", dist.Normal(self.layer(x).squeeze(-1), scale), obs=y)


PROGRAMS["module"] = (Linear(), {"x": X, "y": Y})
PROGRAMS["scaled_module"] = (poutine.scale(Linear(), scale=0.5), {"x": X, "y": Y})


class BayesianLinear(PyroModule):
    def __init__(self):
        super().__init__()
        self.layer = PyroModule[torch.nn.Linear](2, 1)
        self.layer.weight = PyroSample(dist.Normal(0.0, 1.0).expand([1, 2]).to_event(2))
        self.layer.bias = PyroSample(dist.Normal(0.0, 1.0).expand([1]).to_event(1))
        self.scale = PyroParam(torch.tensor(1.5), constraint=constraints.positive)

    def forward(self, x, y=None):
        mean = self.layer(x).squeeze(-1)
        with pyro.plate("n", len(x)):
            return pyro.sample("y", dist.Normal(mean, self.scale), obs=y)


PROGRAMS["pyro_module"] = (BayesianLinear(), {"x": X, "y": Y})

_registered = Linear()


@program(x=X, y=Y)
def registered_module(x, y):
    pyro.module("net", _registered)
    _registered(x, y)


@program(y=Y)
def plate_without_size(y):
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("n"):
        pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


@program()
def plain_numbers():
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.sample("one", dist.Normal(mu, 1.0), obs=3)
    pyro.sample("many", dist.Normal(mu, 1.0).expand([3]).to_event(1), obs=np.arange(3.0))


@program(y=Y)
def correlated_prior(y):
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    b = pyro.sample("b", dist.MultivariateNormal(torch.zeros(2), covariance))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(b[0], (b[1] / 2).exp()), obs=y)


@program(y=Y)
def ordered_cutpoints(y):
    steps = dist.Normal(torch.zeros(3), 1.0).to_event(1)
    cuts = pyro.sample(
        "cuts", dist.TransformedDistribution(steps, [dist.transforms.OrderedTransform()])
    )
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Normal(cuts.sum(-1), 1.0), obs=y)


@program(y=Y.abs())
def many_supports(y):
    shape = pyro.sample("shape", dist.InverseGamma(2.0, 1.0))
    share = pyro.sample("share", dist.Beta(2.0, 3.0))
    power = pyro.sample("power", dist.Weibull(1.0, 2.0))
    bounded = pyro.sample("bounded", dist.Pareto(1.0, 2.0))
    angle = pyro.sample("angle", dist.VonMises(0.0, 1.0))
    with pyro.plate("n", 8):
        pyro.sample("y", dist.Gamma(shape + power * bounded, share + angle.cos() + 2.0), obs=y)


BEYOND_PYRO = {
    "observed_in_part",
    "moving_support",
    "improper_sites",
    "latent_mixture",
    "delta_sites",
    "pyro_module",
    "plain_numbers",
}
