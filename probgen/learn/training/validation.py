"""A learner's metrics on validation data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from probgen.learn.training.generators import put_back
from probgen.learn.training.loader import Loader
from probgen.learn.training.loop import Loop
from probgen.learn.training.protocol import Learner
from probgen.nets.stream import Stream

__all__ = ["validate"]

_STREAM = 0x7A11


def validate(learner: Learner, loop: Loop, loader: Loader) -> dict[str, float]:
    """Means over the validation rows of all processes.

    Random numbers are the same at every epoch, so that epochs are compared like with like, and
    the training's are left as they were. Modules are in their mode for evaluation meanwhile.
    """
    judge: Any = learner.validate  # type: ignore[attr-defined]
    modules = [player.module for player in learner.players.values()]
    modes = [(part, part.training) for module in modules for part in module.modules()]
    before = loop.stream
    loop.stream = Stream(before.seed ^ _STREAM)
    sums: dict[str, float] = {}
    rows = 0.0
    try:
        with put_back(), torch.no_grad(), loop.autocast():
            torch.manual_seed(before.seed >> 1)
            for module in modules:
                module.eval()
            for batch, share, numbers in loader.epoch(0):
                weight = len(numbers) if share else 0
                rows += weight
                for name, value in judge(batch, loop).items():
                    sums[name] = sums.get(name, 0.0) + (weight * float(value) if weight else 0.0)
    finally:
        loop.stream = before
        for part, mode in modes:
            part.training = mode
    names = sorted(sums)  # one order in all processes
    totals = loop.place.total(np.array([rows, *(sums[name] for name in names)]))
    means = dict(zip(names, (totals[1:] / totals[0]).tolist(), strict=True))
    return {name: means[name] for name in sums}
