"""Neal's funnel: nine values on a scale from wide to needle-thin.

Source: Neal (2003), "Slice sampling", Annals of Statistics 31:705-767, section 8. There are
no data: the "posterior" is the prior, and its moments are known exactly (`reference`).
A sampler with one step size for everywhere cannot reach the neck and says so by divergences.
"""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist

# Mean, its error, standard deviation, its error: exact, as Var(x) = E[exp(v)] = exp(9 / 2).
reference = {
    "v": (0.0, 0.0, 3.0, 0.0),
    "x[1]": (0.0, 0.0, math.exp(9.0 / 4.0), 0.0),
}


def funnel(size: int = 9) -> None:
    """`size`: how many values share the scale `exp(v / 2)`."""
    v = pyro.sample("v", dist.Normal(0.0, 3.0))
    with pyro.plate("value", size):
        pyro.sample("x", dist.Normal(0.0, (v / 2.0).exp()))


def data() -> dict[str, int]:
    """Neal's choice: nine values."""
    return {"size": 9}
