"""Accidents by census tract: effects of neighbourhoods and of tracts (Besag, York, Mollie)."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import flat, normals

POSTERIORS = ("traffic_accident_nyc-bym2_offset_only",)


def program(y, exposure, node1, node2, scaling_factor):
    tracts = len(y)
    beta0 = pyro.sample("beta0", dist.Normal(0.0, 1.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(1.0))
    rho = pyro.sample("rho", dist.Beta(0.5, 0.5))
    theta, phi = normals("theta", tracts), flat("phi", tracts)
    pyro.factor("neighbours", -0.5 * (phi[node1] - phi[node2]).square().sum())
    pyro.factor("phi_sum", dist.Normal(0.0, 0.001 * tracts).log_prob(phi.sum()))
    effect = (1.0 - rho).sqrt() * theta + (rho / scaling_factor).sqrt() * phi
    with pyro.plate("tract", tracts):
        rate = (exposure.log() + beta0 + sigma * effect).exp()
        pyro.sample("y", dist.Poisson(rate), obs=y)


def data(raw):
    given = arrays(raw)
    return {
        "y": given["y"],
        "exposure": given["E"],
        "node1": index(raw["node1"]),
        "node2": index(raw["node2"]),
        "scaling_factor": raw["scaling_factor"],
    }
