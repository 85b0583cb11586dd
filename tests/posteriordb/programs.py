"""Models of posteriordb as Pyro programs.

Each program states what the posterior's `model.stan` states, under Stan's names, so that the
reference's scalar `beta[2]` is element 1 of our site (or deterministic) `beta`. A parameter
that Stan leaves without a prior is flat on its support: `ImproperUniform`. Both eight schools
are the zoo's. `posteriors.py` pairs each posterior with its program and data.
Source: Magnusson et al., posteriordb (github.com/stan-dev/posteriordb), BSD-3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

# ---------------------------------------------------------------- regressions


def _flat(name: str, size: int) -> torch.Tensor:
    return pyro.sample(name, dist.ImproperUniform(constraints.real_vector, (), (size,)))


def _flat_positive(name: str) -> torch.Tensor:
    return pyro.sample(name, dist.ImproperUniform(constraints.positive, (), ()))


def flat_regression(x, y):
    beta = _flat("beta", x.shape[1])
    sigma = _flat_positive("sigma")
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def cauchy_regression(x, y):
    beta = _flat("beta", x.shape[1])
    sigma = pyro.sample("sigma", dist.HalfCauchy(2.5))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def blr(x, y):
    beta = pyro.sample("beta", dist.Normal(0.0, 10.0).expand([x.shape[1]]).to_event(1))
    sigma = pyro.sample("sigma", dist.HalfNormal(10.0))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def diamonds(x, y):
    b = pyro.sample("b", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
    intercept = pyro.sample("Intercept", dist.StudentT(3.0, 8.0, 10.0))
    sigma = pyro.sample("sigma", dist.FoldedDistribution(dist.StudentT(3.0, 0.0, 10.0)))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(intercept + x @ b, sigma), obs=y)


# ---------------------------------------------------------------- time series


def autoregression(past, y):
    alpha = pyro.sample("alpha", dist.Normal(0.0, 10.0))
    beta = pyro.sample("beta", dist.Normal(0.0, 10.0).expand([past.shape[1]]).to_event(1))
    sigma = pyro.sample("sigma", dist.HalfCauchy(2.5))
    with pyro.plate("time", len(y)):
        pyro.sample("y", dist.Normal(alpha + past @ beta, sigma), obs=y)


def garch(y, sigma1):
    mu = pyro.sample("mu", dist.ImproperUniform(constraints.real, (), ()))
    alpha0 = _flat_positive("alpha0")
    alpha1 = pyro.sample("alpha1", dist.ImproperUniform(constraints.unit_interval, (), ()))
    stationary = constraints.interval(0.0, 1.0 - alpha1)
    beta1 = pyro.sample("beta1", dist.ImproperUniform(stationary, (), ()))
    shock = alpha0 + alpha1 * (y[:-1] - mu).square()
    variance = [torch.as_tensor(sigma1, dtype=y.dtype).square()]
    for step in shock.unbind():
        variance.append(step + beta1 * variance[-1])
    with pyro.plate("time", len(y)):
        pyro.sample("y", dist.Normal(mu, torch.stack(variance).sqrt()), obs=y)


def lotka_volterra(y_init, y, steps_per_year=4):
    """Runge-Kutta of order four with fixed steps in place of Stan's adaptive solver."""
    centre, spread = torch.tensor([1.0, 0.05, 1.0, 0.05]), torch.tensor([0.5, 0.05, 0.5, 0.05])
    theta = pyro.sample(
        "theta", dist.ImproperUniform(constraints.independent(constraints.positive, 1), (), (4,))
    )
    pyro.factor("theta_prior", dist.Normal(centre, spread).log_prob(theta).sum())
    z_init = pyro.sample("z_init", dist.LogNormal(np.log(10.0), 1.0).expand([2]).to_event(1))
    sigma = pyro.sample("sigma", dist.LogNormal(-1.0, 1.0).expand([2]).to_event(1))
    growth = theta[::2] * torch.tensor([1.0, -1.0])
    meeting = theta[1::2] * torch.tensor([-1.0, 1.0])

    def slope(z):
        return z * (growth + meeting * z.flip(0))

    h = 1.0 / steps_per_year
    z, yearly = z_init, []
    for _ in range(len(y)):
        for _ in range(steps_per_year):
            k1 = slope(z)
            k2 = slope(z + h / 2.0 * k1)
            k3 = slope(z + h / 2.0 * k2)
            z = z + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + slope(z + h * k3))
        yearly.append(z)
    pyro.sample("y_init", dist.LogNormal(z_init.log(), sigma).to_event(1), obs=y_init)
    with pyro.plate("year", len(y)):
        pyro.sample("y", dist.LogNormal(torch.stack(yearly).log(), sigma).to_event(1), obs=y)


# ---------------------------------------------------------------- latent structure


def _with_prior(name: str, support: Any, prior: Any) -> torch.Tensor:
    """A site on a support that its prior does not know, such as ordered normals."""
    value = pyro.sample(name, dist.ImproperUniform(support, (), prior.batch_shape))
    pyro.factor(f"{name}_prior", prior.log_prob(value).sum())
    return value


def gaussian_mixture(y):
    mu = _with_prior("mu", constraints.ordered_vector, dist.Normal(0.0, 2.0).expand([2]))
    sigma = pyro.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
    theta = pyro.sample("theta", dist.Beta(5.0, 5.0))
    weights = dist.Categorical(probs=torch.stack([theta, 1.0 - theta]))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, sigma)), obs=y)


def gaussian_process(x, k):
    rho = pyro.sample("rho", dist.Gamma(25.0, 4.0))
    alpha = pyro.sample("alpha", dist.HalfNormal(2.0))
    squares = (x.unsqueeze(1) - x).square()
    covariance = alpha.square() * torch.exp(-0.5 * squares / rho.square())
    factor = torch.linalg.cholesky(covariance + 1e-10 * torch.eye(len(x), dtype=x.dtype))
    f_tilde = pyro.sample("f_tilde", dist.Normal(0.0, 1.0).expand([len(x)]).to_event(1))
    f = pyro.deterministic("f", factor @ f_tilde)
    with pyro.plate("observation", len(x)):
        pyro.sample("k", dist.Poisson(f.exp()), obs=k)


def _log_product(log_matrices: torch.Tensor) -> torch.Tensor:
    """The product of matrices given by their logarithms, by halves: (T, K, K) -> (K, K)."""
    while len(log_matrices) > 1:
        even = len(log_matrices) // 2 * 2
        left, right = log_matrices[0:even:2], log_matrices[1:even:2]
        pairs = torch.logsumexp(left.unsqueeze(-1) + right.unsqueeze(-3), dim=-2)
        log_matrices = torch.cat([pairs, log_matrices[even:]])
    return log_matrices[0]


def _hidden_markov(theta: torch.Tensor, emission: torch.Tensor) -> None:
    """Forward algorithm; `emission`: log densities (time, state), all first states alike."""
    steps = theta.log() + emission[1:].unsqueeze(-2)
    total = torch.logsumexp(emission[0].unsqueeze(-1) + _log_product(steps), dim=(-2, -1))
    pyro.factor("observations", total)


def _transitions(alpha: torch.Tensor) -> torch.Tensor:
    rows = [pyro.sample(f"theta{k + 1}", dist.Dirichlet(row)) for k, row in enumerate(alpha)]
    return torch.stack(rows)


def drive_exponential(u, v, alpha):
    theta = _transitions(alpha)
    prior = dist.Normal(torch.tensor([0.0, 3.0]), 1.0)
    phi = _with_prior("phi", constraints.positive_ordered_vector, prior)
    rate = _with_prior("lambda", constraints.positive_ordered_vector, prior)
    emission = dist.Exponential(phi).log_prob(u.unsqueeze(-1))
    _hidden_markov(theta, emission + dist.Exponential(rate).log_prob(v.unsqueeze(-1)))


def drive_normal(u, v, alpha, tau, rho):
    theta = _transitions(alpha)
    prior = dist.Normal(torch.tensor([0.0, 3.0]), 1.0)
    phi = _with_prior("phi", constraints.ordered_vector, prior)
    centre = _with_prior("lambda", constraints.ordered_vector, prior)
    emission = dist.Normal(phi, tau).log_prob(u.unsqueeze(-1))
    _hidden_markov(theta, emission + dist.Normal(centre, rho).log_prob(v.unsqueeze(-1)))
