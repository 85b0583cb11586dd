"""Negative binomial regression: counts that vary more than Poisson.

Source: Hilbe, Negative Binomial Regression (2nd ed., 2011); the mean is `exp(eta)` and the
variance `mean + mean**2 / concentration`.
Data: epileptic seizures of 59 patients in the eight weeks after a trial of progabide began
(sum of four visits), seizures in the eight weeks before, treatment and age: Thall and Vail
(1990), "Some covariance models for longitudinal count data with overdispersion",
Biometrics 46:657-671.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

# (seizures before, age in years, seizures after); the first 28 patients had placebo
PLACEBO = [
    (11, 31, 14), (11, 30, 14), (6, 25, 11), (8, 36, 13), (66, 22, 55), (27, 29, 22),
    (12, 31, 12), (52, 42, 95), (23, 37, 22), (10, 28, 33), (52, 36, 66), (33, 24, 30),
    (18, 23, 16), (42, 36, 42), (87, 26, 59), (50, 26, 16), (18, 28, 6), (111, 31, 123),
    (18, 32, 15), (20, 21, 16), (12, 29, 14), (9, 21, 14), (17, 32, 13), (28, 25, 30),
    (55, 30, 143), (9, 40, 6), (10, 19, 10), (47, 22, 53),
]  # fmt: skip
PROGABIDE = [
    (76, 18, 42), (38, 32, 28), (19, 20, 7), (10, 30, 13), (19, 18, 19), (24, 24, 11),
    (31, 30, 74), (14, 35, 20), (11, 27, 10), (67, 20, 24), (41, 22, 29), (7, 28, 4),
    (22, 23, 6), (13, 40, 12), (46, 33, 65), (36, 21, 26), (38, 35, 39), (7, 25, 7),
    (36, 26, 32), (11, 25, 3), (151, 22, 302), (22, 32, 13), (41, 25, 26), (32, 35, 10),
    (56, 21, 70), (24, 41, 13), (16, 32, 15), (22, 26, 51), (25, 21, 6), (13, 36, 0),
    (12, 37, 10),
]  # fmt: skip


def negative_binomial(
    log_before: torch.Tensor,
    treated: torch.Tensor,
    log_age: torch.Tensor,
    seizures: torch.Tensor | None = None,
) -> None:
    """All of shape (patient,): centred log counts before, 1 where treated, centred log age."""
    alpha = pyro.sample("alpha", dist.Normal(3.0, 1.0))
    before = pyro.sample("before", dist.Normal(1.0, 1.0))
    treatment = pyro.sample("treatment", dist.Normal(0.0, 1.0))
    age = pyro.sample("age", dist.Normal(0.0, 1.0))
    concentration = pyro.sample("concentration", dist.LogNormal(1.0, 1.0))
    eta = alpha + before * log_before + treatment * treated + age * log_age
    with pyro.plate("patient", len(treated)):
        counts = dist.NegativeBinomial(concentration, logits=eta - concentration.log())
        pyro.sample("seizures", counts, obs=seizures)


def data() -> dict[str, torch.Tensor]:
    """The 59 patients, log counts before and log age to mean 0."""
    patients = torch.tensor(PLACEBO + PROGABIDE, dtype=torch.float64)
    before, age, seizures = patients.T
    treated = torch.zeros(len(patients), dtype=torch.float64)
    treated[len(PLACEBO) :] = 1.0
    return {
        "log_before": before.log() - before.log().mean(),
        "treated": treated,
        "log_age": age.log() - age.log().mean(),
        "seizures": seizures,
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (3.29172, 0.00058, 0.11231, 0.00055),
    "before": (1.03726, 0.00045, 0.09969, 0.00047),
    "treatment": (-0.25755, 0.00082, 0.1564, 0.00077),
    "age": (0.2843, 0.0016, 0.3472, 0.0017),
    "concentration": (3.4306, 0.0034, 0.7381, 0.0038),
}
