"""Confirmatory factor analysis: nine tests of three abilities.

Source: Joreskog (1969), "A general approach to confirmatory maximum likelihood factor
analysis", Psychometrika 34:183-202. Every test loads on one factor, positively: that names
the factors. Their scores are summed out: the rows are multivariate normal.
Data: nine scores of 145 children, made here (seed 1939) from loadings and correlations like
those of the visual, verbal and speed tests of Holzinger and Swineford (1939).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

CHILDREN = 145
LOADING = [0.77, 0.42, 0.58, 0.85, 0.86, 0.84, 0.57, 0.72, 0.67]
CORRELATION = [[1.0, 0.46, 0.47], [0.46, 1.0, 0.28], [0.47, 0.28, 1.0]]


def factor_analysis(children: int, factor: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`factor`: of each test, from 0, shape (test,); `y`: scores, shape (child, test)."""
    factors = int(factor.max()) + 1
    cholesky = pyro.sample("correlation_cholesky", dist.LKJCholesky(factors, 2.0))
    correlation = pyro.deterministic("correlation", cholesky @ cholesky.mT)
    with pyro.plate("test", len(factor)):
        loading = pyro.sample("loading", dist.HalfNormal(1.0))
        sigma = pyro.sample("sigma", dist.LogNormal(-0.5, 0.5))
    shared = loading.unsqueeze(-1) * loading * correlation[factor][:, factor]
    covariance = shared + torch.diag_embed(sigma.square())
    with pyro.plate("child", children):
        zero = torch.zeros(len(factor))
        pyro.sample("y", dist.MultivariateNormal(zero, covariance), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 145 children; scores standardised."""
    generator = torch.Generator().manual_seed(1939)
    factor = torch.arange(3).repeat_interleave(3)
    loading = torch.tensor(LOADING, dtype=torch.float64)
    cholesky = torch.linalg.cholesky(torch.tensor(CORRELATION, dtype=torch.float64))
    z = torch.randn(CHILDREN, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(CHILDREN, 9, generator=generator, dtype=torch.float64)
    y = loading * (z @ cholesky.T)[:, factor] + (1.0 - loading.square()).sqrt() * noise
    return {"children": CHILDREN, "factor": factor, "y": (y - y.mean(0)) / y.std(0)}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "loading[1]": (0.81523, 0.00066, 0.10724, 0.0005),
    "loading[2]": (0.23521, 0.00064, 0.09637, 0.00057),
    "loading[3]": (0.53519, 0.00048, 0.09804, 0.00049),
    "sigma[1]": (0.57056, 0.00093, 0.12442, 0.00086),
    "sigma[2]": (0.96957, 0.00027, 0.05839, 0.00031),
    "sigma[3]": (0.84308, 0.0003, 0.06262, 0.00034),
    "correlation[1,2]": (0.32886, 0.00048, 0.09954, 0.00048),
    "correlation[1,3]": (0.60508, 0.00049, 0.09945, 0.00054),
    "correlation[2,1]": (0.32886, 0.00048, 0.09954, 0.00048),
}
