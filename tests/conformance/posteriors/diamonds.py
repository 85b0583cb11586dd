"""Price of diamonds: a regression on centred columns, Student priors."""

import numpy as np
import pyro
import pyro.distributions as dist

from tests.conformance.families.priors import normals

POSTERIORS = ("diamonds-diamonds",)


def program(x, y):
    b = normals("b", x.shape[1])
    intercept = pyro.sample("Intercept", dist.StudentT(3.0, 8.0, 10.0))
    sigma = pyro.sample("sigma", dist.FoldedDistribution(dist.StudentT(3.0, 0.0, 10.0)))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(intercept + x @ b, sigma), obs=y)


def data(raw):
    x = np.asarray(raw["X"], dtype=np.float64)[:, 1:]
    return {"x": x - x.mean(axis=0), "y": np.asarray(raw["Y"], dtype=np.float64)}
