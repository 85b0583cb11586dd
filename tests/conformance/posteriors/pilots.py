"""Pilots' success on flight simulators, by group and by airport.

Effects are sampled in decentred coordinates: few groups and flat scales make a funnel.
"""

import pyro
import pyro.distributions as dist
from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from probgen import NUTS
from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import uniform

POSTERIORS = ("pilots-pilots",)
METHOD = NUTS(target_accept=0.99)


def flights(y, group, scenario, groups, scenarios):
    mu_a, mu_b = (pyro.sample(name, dist.Normal(0.0, 1.0)) for name in ("mu_a", "mu_b"))
    sigma_a, sigma_b, sigma_y = (uniform(f"sigma_{c}", 0.0, 100.0) for c in "aby")
    with pyro.plate("groups", groups):
        a = pyro.sample("a", dist.Normal(10.0 * mu_a, sigma_a))
    with pyro.plate("scenarios", scenarios):
        b = pyro.sample("b", dist.Normal(10.0 * mu_b, sigma_b))
    with pyro.plate("flight", len(y)):
        pyro.sample("y", dist.Normal(a[group] + b[scenario], sigma_y), obs=y)


program = reparam(flights, config={"a": LocScaleReparam(0.0), "b": LocScaleReparam(0.0)})


def data(raw):
    return {
        "y": arrays(raw)["y"],
        "group": index(raw["group_id"]),
        "scenario": index(raw["scenario_id"]),
        "groups": raw["n_groups"],
        "scenarios": raw["n_scenarios"],
    }
