"""Poisson counts whose log rate is a Gaussian process, whitened."""

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals

POSTERIORS = ("gp_pois_regr-gp_pois_regr",)
METHOD = NUTS(target_accept=0.99)  # the scale of the process and its whitened values are a funnel
DRAWS = 10_000
data = select("x", "k")


def program(x, k):
    rho = pyro.sample("rho", dist.Gamma(25.0, 4.0))
    alpha = pyro.sample("alpha", dist.HalfNormal(2.0))
    squares = (x.unsqueeze(1) - x).square()
    covariance = alpha.square() * torch.exp(-0.5 * squares / rho.square())
    factor = torch.linalg.cholesky(covariance + 1e-10 * torch.eye(len(x), dtype=x.dtype))
    f = pyro.deterministic("f", factor @ normals("f_tilde", len(x)))
    with pyro.plate("observation", len(x)):
        pyro.sample("k", dist.Poisson(f.exp()), obs=k)
