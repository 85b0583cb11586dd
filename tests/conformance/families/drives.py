"""What the two models of basketball drives share: two states, transitions with known priors."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.markov import observe_markov


def observe_drive(alpha: torch.Tensor, emission: torch.Tensor) -> None:
    """`alpha`: Dirichlet concentration of each row of transitions; `emission`: (time, state).

    Every first state is as likely: Stan leaves it without a density.
    """
    rows = [pyro.sample(f"theta{k + 1}", dist.Dirichlet(row)) for k, row in enumerate(alpha)]
    observe_markov(torch.zeros(len(rows)), torch.stack(rows).log(), emission)
