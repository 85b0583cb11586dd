"""The averaged weights of a training, as a module."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from probgen.learn.training.train import Training

__all__ = ["averaged_model"]


def averaged_model(training: Training) -> nn.Module | None:
    """A copy of the model with averaged weights in the place of those that players change.

    Buffers are those of the model as it is: running statistics of batch normalisation were taken
    of its own weights, not of the averaged ones, which are close to them late in a training only.
    """
    if not training.loop.averages:
        return None
    model = copy.deepcopy(training.model)
    own = {id(p): q for p, q in zip(training.model.parameters(), model.parameters(), strict=True)}
    with torch.no_grad():
        for name, average in training.loop.averages.items():
            module = training.learner.players[name].module
            for p, q in zip(module.parameters(), average.module.parameters(), strict=True):
                if id(p) in own:
                    own[id(p)].copy_(q)
    return model
