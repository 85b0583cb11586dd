"""One rate behind two counts; `Rate_5` is the same model on other data."""

import numpy as np
import pyro
import pyro.distributions as dist

POSTERIORS = ("Rate_3_data-Rate_3_model", "Rate_5_data-Rate_5_model")


def program(n, k):
    theta = pyro.sample("theta", dist.Beta(1.0, 1.0))
    with pyro.plate("count", 2):
        pyro.sample("k", dist.Binomial(n, theta), obs=k)


def data(raw):
    return {name: np.array([raw[f"{name}1"], raw[f"{name}2"]], dtype=float) for name in "nk"}
