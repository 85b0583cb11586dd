"""Head acceleration in a crash: splines for mean and log standard deviation."""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.priors import flat, normals

POSTERIORS = ("mcycle_splines-accel_splines",)
# A scale and its standardised values are a funnel, twice, across strong correlations.
METHOD = NUTS(target_accept=0.99, metric="dense")
DRAWS = 4000
# From afar, chains stop where the noise explains everything.
INIT = {
    "Intercept": -13.0,
    "Intercept_sigma": 2.0,
    "sds_1_1": 20.0,
    "sds_sigma_1_1": 2.0,
    "bs": [0.0],
    "bs_sigma": [0.0],
    "zs_1_1": [0.0] * 38,
    "zs_sigma_1_1": [0.0] * 38,
}
data = select("Y", "Xs", "Xs_sigma", Zs="Zs_1_1", Zs_sigma="Zs_sigma_1_1")


def program(Y, Xs, Zs, Xs_sigma, Zs_sigma):
    mu = _spline("", Xs, Zs, dist.StudentT(3.0, -13.0, 36.0))
    log_sigma = _spline("_sigma", Xs_sigma, Zs_sigma, dist.StudentT(3.0, 0.0, 10.0))
    with pyro.plate("observation", len(Y)):
        pyro.sample("Y", dist.Normal(mu, log_sigma.exp()), obs=Y)


def _spline(of, linear, knots, intercept_prior):
    intercept, bs = (
        pyro.sample(f"Intercept{of}", intercept_prior),
        flat(f"bs{of}", linear.shape[1]),
    )
    zs = normals(f"zs{of}_1_1", knots.shape[1])
    sds = pyro.sample(f"sds{of}_1_1", dist.FoldedDistribution(dist.StudentT(3.0, 0.0, 36.0)))
    return intercept + linear @ bs + knots @ (sds * zs)
