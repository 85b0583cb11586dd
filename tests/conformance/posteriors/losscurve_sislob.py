"""Insurance losses by cohort, growing along a Weibull curve."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import arrays, index

POSTERIORS = ("loss_curves-losscurve_sislob",)


def program(loss, premium, cohort, age, ages):
    mu = pyro.sample("mu_LR", dist.Normal(0.0, 0.5))
    sd = pyro.sample("sd_LR", dist.LogNormal(0.0, 0.5))
    with pyro.plate("cohorts", len(premium)):
        ratio = pyro.sample("LR", dist.LogNormal(mu, sd))
    loss_sd = pyro.sample("loss_sd", dist.LogNormal(0.0, 0.7))
    omega, theta = (pyro.sample(name, dist.LogNormal(0.0, 0.5)) for name in ("omega", "theta"))
    growth = 1.0 - torch.exp(-((ages / theta) ** omega))
    mean = ratio[cohort] * premium[cohort] * growth[age]
    with pyro.plate("losses", len(loss)):
        pyro.sample("loss", dist.Normal(mean, loss_sd * premium[cohort]), obs=loss)


def data(raw):
    if raw["growthmodel_id"] != 1:
        raise ValueError("Only the Weibull curve (growthmodel_id 1) is declared here.")
    given = arrays(raw)
    return {
        "loss": given["loss"],
        "premium": given["premium"],
        "cohort": index(raw["cohort_id"]),
        "age": index(raw["t_idx"]),
        "ages": given["t_value"],
    }
