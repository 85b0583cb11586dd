"""Votes of 1988 by age, education, state and region: five crossed effects with flat scales.

Effects are sampled in decentred coordinates: with four levels and a flat prior a scale near
zero is possible, and the centred coordinates are a funnel. Voters who are alike in all that the
model knows of them are counted together.
"""

import numpy as np
import pyro
import pyro.distributions as dist
from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from probgen import NUTS
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("election88-election88_full",)
METHOD = NUTS(target_accept=0.95)
EFFECTS = {"a": "age", "b": "edu", "c": "age_edu", "d": "state", "e": "region_full"}


def votes(voters, y, female, black, previous, levels, sizes):
    beta = normals("beta", 5, 0.0, 100.0)
    mean = beta[0] + beta[1] * black + beta[2] * female + beta[4] * female * black
    mean = mean + beta[3] * previous
    for name, level, size in zip(EFFECTS, levels, sizes, strict=True):
        sigma = uniform(f"sigma_{name}", 0.0, 100.0)
        with pyro.plate(f"levels_{name}", int(size)):
            mean = mean + pyro.sample(name, dist.Normal(0.0, sigma))[level]
    with pyro.plate("group", len(y)):
        pyro.sample("y", dist.Binomial(voters, logits=mean), obs=y)


program = reparam(votes, config={name: LocScaleReparam(0.0) for name in EFFECTS})


def data(raw):
    """Groups of voters: their number `voters`, how many of them voted for Bush, `y`."""
    columns = ("female", "black", "v_prev_full", *EFFECTS.values())
    rows = np.stack([np.asarray(raw[column], dtype=np.float64) for column in columns], axis=1)
    alike, group, voters = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    female, black, previous, *levels = alike.T
    return {
        "voters": voters.astype(np.float64),
        "y": np.bincount(group.reshape(-1), weights=raw["y"]),
        "female": female,
        "black": black,
        "previous": previous,
        "levels": [level.astype(np.int64) - 1 for level in levels],
        "sizes": tuple(raw[f"n_{column}"] for column in EFFECTS.values()),
    }
