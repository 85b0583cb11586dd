"""Hidden Markov chains, their states summed out by the forward algorithm."""

from __future__ import annotations

import pyro
import torch


def observe_markov(initial: torch.Tensor, transition: torch.Tensor, emission: torch.Tensor):
    """The log likelihood of a chain as a factor.

    Args:
        initial: log probabilities of the first state, (state,).
        transition: log probabilities from state to state, (state, state).
        emission: log density of each observation in each state, (time, state).
    """
    forward = initial + emission[0]
    for now in emission[1:]:
        forward = torch.logsumexp(forward.unsqueeze(-1) + transition, dim=0) + now
    pyro.factor("observations", torch.logsumexp(forward, dim=0))
