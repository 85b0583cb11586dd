"""A network with ten hidden units on a hundred digits, scales of its weights inferred."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import normals

POSTERIORS = ("mnist_100-nn_rbm1bJ10",)
HIDDEN = 10
DRAWS = WARMUP = 100  # more would not make the chains agree
EXPLAINED = (
    "hidden units can change names and signs, and two hundred times as many weights as digits "
    "leave many modes: chains agree about predictions only"
)


def program(x, y, classes):
    inputs = x.shape[1]
    alpha1, beta1 = normals("alpha1", HIDDEN), normals("beta1", classes - 1)
    first = _weights("alpha", inputs, HIDDEN, inputs)
    second = _weights("beta", HIDDEN, classes - 1, HIDDEN)
    hidden = torch.tanh(alpha1 + x @ first)
    scores = beta1 + hidden @ second
    logits = torch.cat([torch.ones_like(scores[:, :1]), scores], dim=1)
    with pyro.plate("digit", len(y)):
        pyro.sample("y", dist.Categorical(logits=logits), obs=y)


def _weights(name, rows, columns, fan_in, nu=0.5):
    """Scales by Lampinen and Vehtari (2001)."""
    scale = (0.05 / fan_in ** (1.0 / nu)) ** 2
    variance = pyro.sample(f"sigma2_{name}", dist.InverseGamma(nu / 2.0, nu * scale / 2.0))
    return pyro.sample(name, dist.Normal(0.0, variance.sqrt()).expand([rows, columns]).to_event(2))


def data(raw):
    return {"x": arrays(raw)["x"], "y": np.array(index(raw["y"])), "classes": raw["K"]}
