"""Butterflies: occupancy and detection of species, some of which were never seen.

Species' effects are sampled in decentred coordinates, which leaves `uv` and its posterior.
"""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch.nn.functional import logsigmoid

from tests.conformance.families.priors import uniform

POSTERIORS = ("butterfly-multi_occupancy",)
DRAWS = 4000


def program(found, visits, species, sites):
    alpha, beta = (pyro.sample(name, dist.Cauchy(0.0, 2.5)) for name in ("alpha", "beta"))
    available = pyro.sample("Omega", dist.Beta(2.0, 2.0))
    rho = uniform("rho_uv", -1.0, 1.0)
    pyro.factor("rho_uv_prior", dist.Beta(2.0, 2.0).log_prob((rho + 1.0) / 2.0))
    sigma = pyro.sample("sigma_uv", dist.HalfCauchy(2.5).expand([2]).to_event(1))
    with pyro.plate("species", species):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
    u = sigma[0] * z[:, 0]
    v = sigma[1] * (rho * z[:, 0] + (1.0 - rho.square()).sqrt() * z[:, 1])
    pyro.deterministic("uv", torch.stack([u, v], dim=-1))
    seen = len(found)
    log_found = _log_presence(alpha + u[:seen], beta + v[:seen], found, visits)
    pyro.factor("seen", seen * available.log() + log_found.sum())
    none = found.new_zeros(species - seen, 1)
    log_none = sites * _log_presence(alpha + u[seen:], beta + v[seen:], none, visits).squeeze(-1)
    there = available.log() + log_none
    pyro.factor("unseen", torch.logaddexp(there, torch.log1p(-available)).sum())


def _log_presence(occupancy, detection, found, visits):
    """Log probability of so many detections at each site, whether occupied is summed out."""
    psi, theta = occupancy.unsqueeze(-1), detection.unsqueeze(-1)
    present = logsigmoid(psi) + dist.Binomial(visits, logits=theta).log_prob(found)
    return torch.where(found > 0, present, torch.logaddexp(present, logsigmoid(-psi)))


def data(raw):
    return {
        "found": np.array(raw["X"], dtype=float),
        "visits": raw["K"],
        "species": raw["S"],
        "sites": raw["J"],
    }
