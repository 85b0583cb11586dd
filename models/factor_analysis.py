"""Factor analysis: correlations of many measurements explained by few latent scores.

Source: Lopes and West (2004), "Bayesian model assessment in factor analysis", Statistica
Sinica 14:41-67: loadings are lower triangular with a positive diagonal, which names the
factors; the scores are summed out.
Data: nine scores of 145 children, made here from two factors (seed 1939), of the size of the
tests of Holzinger and Swineford (1939).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

CHILDREN, TESTS, FACTORS = 145, 9, 2


def factor_analysis(
    children: int, tests: int, factors: int, y: torch.Tensor | None = None
) -> None:
    """`y`: standardised scores, shape (child, test)."""
    positive = pyro.sample("positive", dist.HalfNormal(1.0).expand([factors]).to_event(1))
    below = torch.tril_indices(tests, factors, offset=-1)
    free = pyro.sample("free", dist.Normal(0.0, 1.0).expand([below.shape[1]]).to_event(1))
    loadings = torch.zeros(tests, factors)
    loadings = loadings.index_put((below[0], below[1]), free)
    loadings = loadings + torch.eye(tests, factors) * positive
    with pyro.plate("test", tests):
        psi = pyro.sample("psi", dist.HalfNormal(1.0))
    pyro.deterministic("loadings", loadings)
    with pyro.plate("child", children):
        scores = dist.LowRankMultivariateNormal(torch.zeros(tests), loadings, psi.square())
        pyro.sample("y", scores, obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 145 children, made from two factors."""
    generator = torch.Generator().manual_seed(1939)
    loadings = torch.zeros(TESTS, FACTORS, dtype=torch.float64)
    loadings[:5, 0] = torch.tensor([0.8, 0.7, 0.7, 0.6, 0.5])
    loadings[1, 1] = 0.5
    loadings[5:, 1] = torch.tensor([0.8, 0.7, 0.6, 0.5])
    scores = torch.randn(CHILDREN, FACTORS, generator=generator, dtype=torch.float64)
    noise = torch.randn(CHILDREN, TESTS, generator=generator, dtype=torch.float64)
    y = scores @ loadings.T + 0.6 * noise
    return {
        "children": CHILDREN,
        "tests": TESTS,
        "factors": FACTORS,
        "y": (y - y.mean(0)) / y.std(0),
    }
