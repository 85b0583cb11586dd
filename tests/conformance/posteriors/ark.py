"""Autoregression of order K, normal and half-Cauchy priors."""

import numpy as np
import pyro
import pyro.distributions as dist

from tests.conformance.families.priors import normals

POSTERIORS = ("arK-arK",)


def program(past, y):
    alpha = pyro.sample("alpha", dist.Normal(0.0, 10.0))
    beta = normals("beta", past.shape[1], 0.0, 10.0)
    sigma = pyro.sample("sigma", dist.HalfCauchy(2.5))
    with pyro.plate("time", len(y)):
        pyro.sample("y", dist.Normal(alpha + past @ beta, sigma), obs=y)


def data(raw):
    order, y = raw["K"], np.asarray(raw["y"], dtype=np.float64)
    past = [y[order - k : len(y) - k] for k in range(1, order + 1)]
    return {"past": np.stack(past, axis=1), "y": y[order:]}
