"""Two rates and their difference."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

POSTERIORS = ("Rate_2_data-Rate_2_model",)


def program(n, k):
    theta1 = pyro.sample("theta1", dist.Beta(1.0, 1.0))
    theta2 = pyro.sample("theta2", dist.Beta(1.0, 1.0))
    pyro.deterministic("delta", theta1 - theta2)
    with pyro.plate("rate", 2):
        pyro.sample("k", dist.Binomial(n, torch.stack([theta1, theta2])), obs=k)


def data(raw):
    return {name: np.array([raw[f"{name}1"], raw[f"{name}2"]], dtype=float) for name in "nk"}
