"""How many threads a training computes with: as asked for, else by the size of its products."""

from __future__ import annotations

import torch
from torch import nn

from probgen.learn.training.options import TrainingOptions
from probgen.learn.training.protocol import Learner
from probgen.nets.threads import threads_for

__all__ = ["training_threads"]

_REUSE = (nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)
"""Modules that use a weight many times for a row, so that numbers of weights say little."""


def training_threads(learner: Learner, options: TrainingOptions, world: int = 1) -> int:
    """The number of threads; a product is of a batch with the players' largest parameter.

    A learner whose products have more rows than a batch says so in its attribute `rows`.
    """
    if options.threads is not None:
        return options.threads
    modules = [player.module for player in learner.players.values()]
    if any(isinstance(part, _REUSE) for module in modules for part in module.modules()):
        return torch.get_num_threads()
    rows = max(-(-options.batch_size // world), getattr(learner, "rows", 0))
    largest = max(p.numel() for module in modules for p in module.parameters())
    return threads_for(rows * largest)
