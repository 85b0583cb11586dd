"""Rosenbrock's banana: one coordinate follows the other's square.

Source: Haario, Saksman and Tamminen (1999), "Adaptive proposal distribution for random walk
Metropolis algorithm", Computational Statistics 14:375-395, in the form of inference_gym. All
moments are known: a sampler that does not follow the bend shows a narrow tail of `y`.
There are no data: the prior is the target.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist

# Mean, its error, standard deviation, its error: exact, as Var(y) = 1 + 0.03**2 * 2 * 10**4.
reference = {
    "x": (0.0, 0.0, 10.0, 0.0),
    "y": (0.0, 0.0, 19**0.5, 0.0),
}


def banana(curvature: float = 0.03) -> None:
    """`curvature`: how strongly the second coordinate follows the square of the first."""
    x = pyro.sample("x", dist.Normal(0.0, 10.0))
    pyro.sample("y", dist.Normal(curvature * (x.square() - 100.0), 1.0))
