"""The five models as Pyro programs, taken by Pyro's own NUTS and by probgen alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from .models import Model


def eight_schools(sigma, y):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", len(y)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mu + tau * z, sigma), obs=y)


def logistic(x, y):
    beta = pyro.sample("beta", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Bernoulli(logits=x @ beta), obs=y)


def varying(group, x, y, groups):
    mu_a = pyro.sample("mu_a", dist.Normal(0.0, 5.0))
    mu_b = pyro.sample("mu_b", dist.Normal(0.0, 2.0))
    s_a = pyro.sample("s_a", dist.HalfNormal(1.0))
    s_b = pyro.sample("s_b", dist.HalfNormal(1.0))
    s_y = pyro.sample("s_y", dist.HalfNormal(1.0))
    with pyro.plate("group", groups):
        z_a = pyro.sample("z_a", dist.Normal(0.0, 1.0))
        z_b = pyro.sample("z_b", dist.Normal(0.0, 1.0))
    intercept, slope = mu_a + s_a * z_a, mu_b + s_b * z_b
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(intercept[group] + slope[group] * x, s_y), obs=y)


def item_response(y):
    persons, items = y.shape
    s_b = pyro.sample("s_b", dist.HalfNormal(2.0))
    with pyro.plate("item", items):
        a = pyro.sample("a", dist.LogNormal(0.0, 0.5))
        b = pyro.sample("b", dist.Normal(0.0, s_b))
    with pyro.plate("person", persons):
        theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
    pyro.sample("y", dist.Bernoulli(logits=a * (theta[:, None] - b)).to_event(2), obs=y)


def volatility(y):
    sigma = pyro.sample("sigma", dist.Exponential(10.0))
    nu = pyro.sample("nu", dist.Gamma(2.0, 0.1))
    m = pyro.sample("m", dist.Normal(0.0, 2.0))
    with pyro.plate("innovation", len(y)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
    log_volatility = m + sigma * torch.cumsum(z, -1)
    with pyro.plate("time", len(y)):
        pyro.sample("y", dist.StudentT(nu, 0.0, torch.exp(log_volatility / 2)), obs=y)


PROGRAMS: dict[str, Callable[..., None]] = {
    "a": eight_schools,
    "b": logistic,
    "c": varying,
    "d": item_response,
    "e": volatility,
}


def tensors(model: Model) -> dict[str, Any]:
    """The model's data as keyword arguments of its program."""
    return {
        name: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in model.make_data().items()
    }
