"""GARCH(1, 1): tomorrow's variance from today's shock and variance.

Source: Bollerslev (1986), "Generalized autoregressive conditional heteroskedasticity",
Journal of Econometrics 31:307-327. Persistence (alpha + beta, below one: returns have a
variance) and the share of the shock in it are the sites, and the long-run deviation in
place of the constant term: the three are nearly independent in the posterior.
Data: 368 daily returns of IBM stock, 1961-1962, as in `stochastic_volatility`: Box and
Jenkins (1970), series B.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models import stochastic_volatility


def garch(series: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`series`: returns in percent, shape (day,); `y`: the same, predicted one day ahead."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    persistence = pyro.sample("persistence", dist.Beta(10.0, 1.0))
    share = pyro.sample("share", dist.Beta(2.0, 5.0))
    long_run = pyro.sample("long_run", dist.LogNormal(0.0, 1.0))
    alpha = pyro.deterministic("alpha", persistence * share)
    beta = pyro.deterministic("beta", persistence * (1.0 - share))
    omega = long_run.square() * (1.0 - persistence)
    variances = [long_run.square()]
    for value in series[:-1]:
        variances.append(omega + alpha * (value - mu).square() + beta * variances[-1])
    volatility = torch.stack(variances, -1).sqrt()
    with pyro.plate("day", len(series)):
        pyro.sample("y", dist.Normal(mu, volatility), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 368 daily log returns, in percent."""
    returns = stochastic_volatility.data()["y"]
    return {"series": returns, "y": returns}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mu": (0.02222, 0.00028, 0.05935, 0.00027),
    "persistence": (0.967194, 0.0001, 0.01928, 0.00011),
    "share": (0.25503, 0.00031, 0.06315, 0.00028),
    "long_run": (1.9735, 0.0037, 0.5536, 0.0064),
    "alpha": (0.24638, 0.00029, 0.06005, 0.00027),
    "beta": (0.72082, 0.00032, 0.06583, 0.00029),
}
