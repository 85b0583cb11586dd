"""A change point: counts whose rate jumps in a year that is summed out.

Source: Carlin, Gelfand and Smith (1992), "Hierarchical Bayesian analysis of changepoint
problems", Applied Statistics 41:389-405. The discrete year is recovered afterwards by exact
sampling.
Data: coal-mining disasters per year in Britain, 1851-1961: Jarrett (1979), "A note on the
intervals between coal-mining disasters", Biometrika 66:191-193.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models.poisson_gaussian_process import DISASTERS


def change_point(years: int, y: torch.Tensor | None = None) -> None:
    """`years`: length of the series; `y`: counts, shape (year,), one event."""
    early = pyro.sample("early", dist.Exponential(1.0))
    late = pyro.sample("late", dist.Exponential(1.0))
    uniform = torch.full((years,), 1.0 / years)
    change = pyro.sample("change", dist.Categorical(uniform), infer={"enumerate": "parallel"})
    before = torch.arange(years) < change.unsqueeze(-1)
    pyro.sample("y", dist.Poisson(torch.where(before, early, late)).to_event(1), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 111 years."""
    return {"years": len(DISASTERS), "y": torch.tensor(DISASTERS, dtype=torch.float64)}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "early": (3.0647, 0.0015, 0.2851, 0.0013),
    "late": (0.93572, 0.0006, 0.11751, 0.00057),
    "change": (40.009, 0.012, 2.468, 0.01),
}
