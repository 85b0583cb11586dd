"""Item response of two parameters, abilities regressed on what is known of persons."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import flat

POSTERIORS = ("fims_Aus_Jpn_irt-2pl_latent_reg_irt",)


def program(y, item, person, items, covariates):
    alpha = pyro.sample("alpha", dist.LogNormal(1.0, 1.0).expand([items]).to_event(1))
    free = flat("beta_free", items - 1)
    beta = pyro.deterministic("beta", torch.cat([free, -free.sum().unsqueeze(0)]))
    pyro.factor("beta_prior", dist.Normal(0.0, 3.0).log_prob(beta).sum())
    prior = dist.StudentT(3.0, 0.0, 1.0).expand([covariates.shape[1]]).to_event(1)
    mean = covariates @ pyro.sample("lambda_adj", prior)
    with pyro.plate("person", len(covariates)):
        theta = pyro.sample("theta", dist.Normal(mean, 1.0))
    with pyro.plate("answer", len(y)):
        logits = alpha[item] * theta[person] - beta[item]
        pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def data(raw):
    """Covariates less their means, in units of two standard deviations, constant apart.

    Stan's text means to treat columns of two values differently; its count of such values
    never reaches the number of rows.
    """
    w = arrays(raw)["W"]
    scaled = (w[:, 1:] - w[:, 1:].mean(axis=0)) / (2.0 * w[:, 1:].std(axis=0, ddof=1))
    return {
        "y": np.array(raw["y"], dtype=float),
        "item": index(raw["ii"]),
        "person": index(raw["jj"]),
        "items": raw["I"],
        "covariates": np.concatenate([w[:, :1], scaled], axis=1),
    }
