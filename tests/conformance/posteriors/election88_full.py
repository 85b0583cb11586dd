"""Votes of 1988 by age, education, state and region: five crossed effects with flat scales.

Effects are sampled in decentred coordinates: with four levels and a flat prior a scale near
zero is possible, and the centred coordinates are a funnel.
"""

import pyro
import pyro.distributions as dist
from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from probgen import NUTS
from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("election88-election88_full",)
METHOD = NUTS(target_accept=0.95)
EFFECTS = {"a": "age", "b": "edu", "c": "age_edu", "d": "state", "e": "region_full"}


def votes(y, female, black, previous, levels, sizes):
    beta = normals("beta", 5, 0.0, 100.0)
    mean = beta[0] + beta[1] * black + beta[2] * female + beta[4] * female * black
    mean = mean + beta[3] * previous
    for name, level, size in zip(EFFECTS, levels, sizes, strict=True):
        sigma = uniform(f"sigma_{name}", 0.0, 100.0)
        with pyro.plate(f"levels_{name}", int(size)):
            mean = mean + pyro.sample(name, dist.Normal(0.0, sigma))[level]
    with pyro.plate("voter", len(y)):
        pyro.sample("y", dist.Bernoulli(logits=mean), obs=y)


program = reparam(votes, config={name: LocScaleReparam(0.0) for name in EFFECTS})


def data(raw):
    given = arrays(raw)
    return {
        "y": given["y"],
        "female": given["female"],
        "black": given["black"],
        "previous": given["v_prev_full"],
        "levels": [index(raw[column]) for column in EFFECTS.values()],
        "sizes": tuple(raw[f"n_{column}"] for column in EFFECTS.values()),
    }
