"""Downloads by day: a trend with change points, and seasons (Prophet, linear trend)."""

import numpy as np
import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import arrays

POSTERIORS = ("rstan_downloads-prophet",)


def program(t, y, changes, changed, seasons, sigmas, additive, multiplicative, tau):
    k, m = (pyro.sample(name, dist.Normal(0.0, 5.0)) for name in ("k", "m"))
    delta = pyro.sample("delta", dist.Laplace(0.0, tau).expand([len(changes)]).to_event(1))
    sigma = pyro.sample("sigma_obs", dist.HalfNormal(0.5))
    beta = pyro.sample("beta", dist.Normal(0.0, sigmas).to_event(1))
    trend = (k + changed @ delta) * t + m - changed @ (changes * delta)
    mean = trend * (1.0 + seasons @ (beta * multiplicative)) + seasons @ (beta * additive)
    with pyro.plate("day", len(t)):
        pyro.sample("y", dist.Normal(mean, sigma), obs=y)


def data(raw):
    if raw["trend_indicator"] != 0:
        raise ValueError("Only the linear trend (trend_indicator 0) is declared here.")
    given = arrays(raw)
    return {
        "t": given["t"],
        "y": given["y"],
        "changes": given["t_change"],
        "changed": (given["t"][:, None] >= given["t_change"]).astype(np.float64),
        "seasons": given["X"],
        "sigmas": given["sigmas"],
        "additive": given["s_a"],
        "multiplicative": given["s_m"],
        "tau": raw["tau"],
    }
