"""A rate, beside one that no data inform."""

import numpy as np
import pyro
import pyro.distributions as dist

POSTERIORS = ("Rate_4_data-Rate_4_model",)


def program(n, k):
    theta = pyro.sample("theta", dist.Beta(1.0, 1.0))
    pyro.sample("thetaprior", dist.Beta(1.0, 1.0))
    pyro.sample("k", dist.Binomial(n, theta), obs=k)


def data(raw):
    return {"n": raw["n"], "k": np.array(float(raw["k"]))}
