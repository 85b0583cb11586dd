"""Divergence: losses and parameters that are not finite, and the last weights that were good."""

from __future__ import annotations

import time
from collections.abc import Container

import torch
from torch import nn

from probgen.errors import ProbgenError, TrainingError
from probgen.learn.training.checkpoint import Weights, cloned, load_weights, weights_of
from probgen.learn.training.loop import Loop
from probgen.learn.training.metrics import MetricsOfSteps
from probgen.learn.training.protocol import Learner

__all__ = ["Guard", "NotFinite"]

_SNAPSHOT = 5.0  # seconds between copies of weights that are known to be good
_IMPOSSIBLE = "Expected parameter"  # what the validation of distributions says


class NotFinite(RuntimeError):
    """What a learner raises that knows of a loss more than that it is not finite."""


class Guard:
    """Looks for divergence, and puts the weights back when it finds it."""

    def __init__(
        self, model: nn.Module, learner: Learner, loop: Loop, steps: MetricsOfSteps
    ) -> None:
        self.model, self.learner, self.loop, self.steps = model, learner, loop, steps
        self.kept = ""  # where the last good checkpoint is, for the error
        self._monitors: Container[str] = getattr(learner, "monitors", ())
        self._modules = dict.fromkeys([model, *(p.module for p in learner.players.values())])
        self.keep()

    def keep(self) -> None:
        """Keep a copy of the weights as they are."""
        self._at, self._copied = self.loop.clock, time.monotonic()
        self._good: Weights = cloned(weights_of(self.model, self.learner))

    def check(self) -> None:
        """Read the metrics; raise `TrainingError` when these or parameters are not finite."""
        bad = self.steps.read(self.loop.place, self._monitors)
        if bad is not None:
            self._diverged(f"{bad[1]} is not finite at step {bad[0]}")
        for module in self._modules:
            name = _not_finite(module)
            if name:
                self._diverged(f"the parameter {name!r} is not finite by step {self.loop.clock}")
        if time.monotonic() - self._copied >= _SNAPSHOT:
            self.keep()

    def explain(self, error: Exception) -> None:
        """Raise `TrainingError` where a step failed because the training had diverged."""
        if isinstance(error, ProbgenError):
            return
        if isinstance(error, NotFinite):
            self._diverged(f"{error}, at step {self.loop.clock + 1}")
        if self.loop.world == 1:  # else the other processes would have to look, too
            self.check()
        if _IMPOSSIBLE in str(error):
            first = str(error).split(", but found")[0]
            self._diverged(f"{first}, at step {self.loop.clock + 1}")

    def _diverged(self, what: str) -> None:
        load_weights(self.model, self.learner, self._good)
        raise TrainingError(
            f"The training diverged: {what}. Lower the learning rate, begin it with a warm-up, "
            f"or clip gradients (clip=1.0); look for outliers in the data.{self.kept} The "
            f"weights of step {self._at} are in the `fit` of this error."
        )


def _not_finite(module: nn.Module) -> str:
    """The name of a parameter that is not finite, or nothing; waits for the device once."""
    named = [(n, p) for n, p in module.named_parameters() if p.numel()]
    if not named:
        return ""
    with torch.no_grad():
        sums = torch.stack([p.sum(dtype=torch.float32) for _, p in named])
    if torch.isfinite(sums).all():
        return ""
    return next((n for n, p in named if not torch.isfinite(p).all()), "")
