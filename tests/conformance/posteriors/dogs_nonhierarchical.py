"""Dogs: factors of shocks and avoidances that differ by dog, and their correlation."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.dogs import later_trials as data

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("dogs-dogs_nonhierarchical",)


def program(y, avoided, shocked):
    mu = pyro.sample("mu_logit_ab", dist.Logistic(0.0, 1.0).expand([2]).to_event(1))
    sigma = pyro.sample("sigma_logit_ab", dist.HalfNormal(1.0).expand([2]).to_event(1))
    factor = pyro.sample("L_logit_ab", dist.LKJCholesky(2, 2.0))
    with pyro.plate("dog", len(y)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        ab = (mu + z @ (sigma.unsqueeze(-1) * factor)).sigmoid()
        a, b = ab[:, 0:1], ab[:, 1:2]
        pyro.sample("y", dist.Bernoulli(a**shocked * b**avoided).to_event(1), obs=y)
