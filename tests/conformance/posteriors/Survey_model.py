"""Returns of five mailings of surveys, neither their number nor their rate known.

The number sent, a uniform integer, is summed out.
"""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.priors import uniform

POSTERIORS = ("Survey_data-Survey_model",)


def program(sent, returned):
    theta = uniform("theta", 0.0, 1.0)
    likelihood = dist.Binomial(sent.unsqueeze(-1), theta).log_prob(returned).sum(-1)
    pyro.factor("returns", torch.logsumexp(likelihood, dim=0))


def data(raw):
    returned = np.array(raw["k"], dtype=float)
    return {"sent": np.arange(returned.max(), raw["nmax"] + 1), "returned": returned}
