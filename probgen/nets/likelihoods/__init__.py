"""Laws of a case given what a network puts out, for `pyro.sample`; one file each."""

from probgen.nets.likelihoods.base import Likelihood, filled, known
from probgen.nets.likelihoods.bernoulli import Bernoulli
from probgen.nets.likelihoods.categorical import Categorical
from probgen.nets.likelihoods.discretised_logistic import DiscretisedLogistic
from probgen.nets.likelihoods.gaussian import Gaussian

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiscretisedLogistic",
    "Gaussian",
    "Likelihood",
    "filled",
    "known",
]
