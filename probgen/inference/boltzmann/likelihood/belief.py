"""Likelihood of a deep belief network: bounds by recognition, given log Z of its top machine.

With h the layers between, and q their recognition, log p(v) >= E_q[log p(v, h) - log q(h | v)]
(Hinton, Osindero & Teh 2006); the log of the mean of p / q over some draws of q lies between
that and log p(v) on average (Burda, Grosse & Salakhutdinov 2016), and comes to log p(v) as they
grow. The entropy of q is taken at the draws: where q is the posterior, the bound has no noise.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from probgen.inference.boltzmann.likelihood.choose import partition
from probgen.inference.boltzmann.likelihood.result import LogLikelihood
from probgen.inference.graphical.annealed_importance import AnnealedImportance
from probgen.inference.graphical.exact import Exact
from probgen.nets.boltzmann.belief import BeliefNetwork, log_law
from probgen.nets.boltzmann.listing import listed_states, states_of
from probgen.nets.stream import Stream

__all__ = ["belief_log_likelihood", "listed_bounds", "sampled_bounds"]

SAMPLES = 100
"""Draws of recognition for each case when none are asked for."""
_LISTED = 12
_ROWS = 1 << 14


@torch.no_grad()
def belief_log_likelihood(
    network: BeliefNetwork,
    visible: Tensor,
    method: Exact | AnnealedImportance | None,
    chains: int | None,
    seed: int,
    samples: int | None,
) -> LogLikelihood:
    """Log-likelihood of states of the visible layer, exact up to log Z in small networks.

    Those have three layers, with at most 2^12 states between, and no `samples` asked for.
    """
    stream = Stream(seed)
    recognised = network.recognise(visible, stream)[-1]
    key = stream.key() >> 1
    found = partition(network.top, method, recognised, chains, key, hidden=True)
    exactly = samples is None and len(network.layers) == 3 and states_of(network, [1]) <= _LISTED
    if exactly:
        variational, cases = listed_bounds(network, visible)
        bound = "exact" if found.log_z.ess is None else "above on average"
    else:
        count = samples or SAMPLES
        variational, cases = sampled_bounds(network, visible, count, stream)
        bound = f"below on average given log Z: {count} draws of recognition a case"
    log_z = found.log_z.value
    return LogLikelihood(
        (cases - log_z).cpu().numpy(),
        found.log_z,
        bound,
        variational=(variational - log_z).cpu().numpy(),
    )


@torch.no_grad()
def sampled_bounds(
    network: BeliefNetwork, visible: Tensor, samples: int, stream: Stream
) -> tuple[Tensor, Tensor]:
    """Mean and log-mean-exp of log p(v, h) - log q(h | v) over draws of q, plus log Z of the top.

    Both are (cases,), float64, nats.
    """
    found = []
    for part in visible.split(_ROWS):
        weights = torch.stack([log_weight(network, part, stream) for _ in range(samples)])
        found.append((weights.mean(0), weights.logsumexp(0) - math.log(samples)))
    means, logs = zip(*found, strict=True)
    return torch.cat(means), torch.cat(logs)


def log_weight(network: BeliefNetwork, visible: Tensor, stream: Stream) -> Tensor:
    """log p(v, h) - log q(h | v) plus log Z at a draw h of recognition, (cases,), float64."""
    states = network.recognise(visible, stream)
    total = network.log_joint(states).double()
    for layer in range(1, len(states)):
        total = total - network.log_up(layer, states[layer], states[layer - 1]).double()
    return total


@torch.no_grad()
def listed_bounds(network: BeliefNetwork, visible: Tensor) -> tuple[Tensor, Tensor]:
    """The variational bound and log p(v), plus log Z of the top, by all states between.

    Of networks with three layers; (cases,) each, float64, nats.
    """
    network, visible = copy.deepcopy(network).double(), visible.double()
    hidden = torch.cat([block[0] for block in listed_states(network, [1], _ROWS)])
    prior, below, found = -network.top.free_energy(hidden), network.down(0, hidden), []
    for case, above in zip(visible, network.up(1, visible), strict=True):
        joint = prior + log_law(network.directed[0], 0, below, case.expand(len(hidden), -1))
        own = log_law(network.directed[0], 1, above.expand(len(hidden), -1), hidden)
        found.append((own.exp() @ (joint - own), joint.logsumexp(0)))
    bounds, logs = zip(*found, strict=True)
    return torch.stack(bounds), torch.stack(logs)
