"""The hidden Markov models 1, 2, 3, 4 and 6 of Pyro's examples, for ragged sequences of tones."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.ops.indexing import Vindex

__all__ = ["PIANO"]

STATES = 3


def _moves(rank):
    """Transition probabilities to one state from `rank` others."""
    shape = (STATES,) * (rank - 1)
    alpha = (0.9 * torch.eye(STATES) + 0.1).expand(*shape, STATES, STATES)
    return pyro.sample("move", dist.Dirichlet(alpha).to_event(rank))


def _keys(*shape):
    return pyro.sample("keys", dist.Beta(0.8, 0.9).expand(shape).to_event(len(shape)))


def _steps(sequences, lengths, history=1):
    """Time steps inside the plate of sequences, each masked to those that are long enough."""
    with pyro.plate("sequences", len(sequences), dim=-2):
        for t in pyro.markov(range(int(lengths.max())), history=history):
            with poutine.mask(mask=(t < lengths).unsqueeze(-1)):
                yield t


def _play(t, probabilities, sequences):
    return pyro.sample(f"y_{t}", dist.Bernoulli(probabilities), obs=sequences[:, t])


def plain(sequences, lengths):
    move, keys = _moves(1), _keys(STATES, 3)
    x = 0
    tones = pyro.plate("tones", 3, dim=-1)
    for t in _steps(sequences, lengths):
        x = pyro.sample(f"x_{t}", dist.Categorical(move[x]))
        with tones:
            _play(t, keys[x.squeeze(-1)], sequences)


def observed_feedback(sequences, lengths):
    move, keys = _moves(1), _keys(STATES, 2, 3)
    x, y = 0, torch.tensor(0)
    tones = pyro.plate("tones", 3, dim=-1)
    for t in _steps(sequences, lengths):
        x = pyro.sample(f"x_{t}", dist.Categorical(move[x]))
        with tones as tone:
            y = _play(t, Vindex(keys)[x, y, tone], sequences).long()


def factorial(sequences, lengths):
    move, keys = _moves(1), _keys(STATES, STATES, 3)
    w = x = 0
    tones = pyro.plate("tones", 3, dim=-1)
    for t in _steps(sequences, lengths):
        w = pyro.sample(f"w_{t}", dist.Categorical(move[w]))
        x = pyro.sample(f"x_{t}", dist.Categorical(move[x]))
        with tones as tone:
            _play(t, Vindex(keys)[w, x, tone], sequences)


def coupled(sequences, lengths):
    move, keys = _moves(2), _keys(STATES, STATES, 3)
    w = x = torch.tensor(0)
    tones = pyro.plate("tones", 3, dim=-1)
    for t in _steps(sequences, lengths):
        w = pyro.sample(f"w_{t}", dist.Categorical(Vindex(move)[w, w]))
        x = pyro.sample(f"x_{t}", dist.Categorical(Vindex(move)[w, x]))
        with tones as tone:
            _play(t, Vindex(keys)[w, x, tone], sequences)


def second_order(sequences, lengths):
    move, keys = _moves(2), _keys(STATES, 3)
    before = x = torch.tensor(0)
    tones = pyro.plate("tones", 3, dim=-1)
    for t in _steps(sequences, lengths, history=2):
        before, x = x, pyro.sample(f"x_{t}", dist.Categorical(Vindex(move)[before, x]))
        with tones as tone:
            _play(t, Vindex(keys)[x, tone], sequences)


PIANO = {
    model.__name__: model for model in (plain, observed_feedback, factorial, coupled, second_order)
}
