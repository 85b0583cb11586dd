"""Weibull survival regression with right-censored times.

Source: Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data (2nd ed.,
2002), chapter 3. A patient still well at time t contributes the probability of no event up to
t, which is that of a Poisson count of zero whose mean is the cumulative hazard.
Data: weeks of remission of 42 children with acute leukaemia under 6-mercaptopurine or
placebo: Freireich et al. (1963), "The effect of 6-mercaptopurine on the duration of
steroid-induced remissions in acute leukemia", Blood 21:699-716.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23]
TREATED_CENSORED = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def weibull_survival(
    treated: torch.Tensor,
    censored_treated: torch.Tensor,
    censored_weeks: torch.Tensor,
    weeks: torch.Tensor | None = None,
    relapses: torch.Tensor | None = None,
) -> None:
    """`treated`, `weeks`: patients who relapsed, and when; `censored_*`: those still in
    remission when last seen, whose `relapses` up to then are zero."""
    alpha = pyro.sample("alpha", dist.Normal(2.0, 2.0))
    effect = pyro.sample("effect", dist.Normal(0.0, 2.0))
    shape = pyro.sample("shape", dist.LogNormal(0.0, 0.5))
    with pyro.plate("relapsed", len(treated)):
        scale = (alpha + effect * treated).exp()
        pyro.sample("weeks", dist.Weibull(scale, shape), obs=weeks)
    with pyro.plate("censored", len(censored_treated)):
        log_scale = alpha + effect * censored_treated
        hazard = ((censored_weeks.log() - log_scale) * shape).exp()
        pyro.sample("relapses", dist.Poisson(hazard), obs=relapses)


def data() -> dict[str, torch.Tensor]:
    """The 42 children: 30 relapses, 12 censored, all of the latter treated."""
    censored = torch.tensor(TREATED_CENSORED, dtype=torch.float64)
    treated = torch.zeros(len(PLACEBO) + len(TREATED), dtype=torch.float64)
    treated[len(PLACEBO) :] = 1.0
    return {
        "treated": treated,
        "weeks": torch.tensor(PLACEBO + TREATED, dtype=torch.float64),
        "censored_treated": torch.ones_like(censored),
        "censored_weeks": censored,
        "relapses": torch.zeros_like(censored),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (2.2536, 0.0011, 0.18192, 0.0009),
    "effect": (1.3237, 0.002, 0.3374, 0.0018),
    "shape": (1.2823, 0.0011, 0.18788, 0.00089),
}
