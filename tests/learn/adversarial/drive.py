"""Learners and single steps without a training around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from probgen.learn.adversarial.learner import AdversarialLearner
from probgen.learn.adversarial.method import Adversarial
from probgen.learn.training.information import DataInfo
from probgen.learn.training.loop import Loop
from probgen.learn.training.options import TrainingOptions
from probgen.learn.training.place import place_of
from probgen.learn.training.rows import Rows, TensorColumn
from probgen.nets.stream import Stream


def info_of(data: dict[str, Tensor], batch_size: int) -> DataInfo:
    rows = Rows({name: TensorColumn(value) for name, value in data.items()}, tuple(data))
    shapes = {name: tuple(value.shape[1:]) for name, value in data.items()}
    device = torch.device("cpu")
    return DataInfo(len(rows), shapes, batch_size, 100, device, rows, batch_size)


def made_learner(
    method: Adversarial, model: nn.Module, data: dict[str, Tensor], batch_size: int = 32
) -> tuple[AdversarialLearner, Loop]:
    learner = AdversarialLearner(method, model, info_of(data, batch_size))
    loop = Loop(learner.players, place_of(TrainingOptions()), Stream(0), 10, 100)
    return learner, loop


class Gradients:
    """What every player's parameters would be changed by, in place of changing them."""

    def __init__(self, learner: AdversarialLearner, loop: Loop) -> None:
        self.learner, self.found = learner, {}
        modules = (player.module for player in learner.players.values())
        self._modules = dict.fromkeys(modules)

        def update(player: str) -> None:
            self.found[player] = {
                id(p): p.grad.clone()
                for module in self._modules
                for p in module.parameters()
                if p.grad is not None
            }
            for module in self._modules:
                module.zero_grad(set_to_none=True)

        loop.update = update  # type: ignore[method-assign]

    def of(self, player: str, parameters: Any) -> list[Tensor | None]:
        """Gradients that the turn of a player left at parameters."""
        return [self.found[player].get(id(p)) for p in parameters]


def one_step(
    method: Adversarial,
    model: nn.Module,
    data: dict[str, Tensor],
    seed: int = 0,
    clock: int = 0,
) -> tuple[Gradients, dict[str, Tensor]]:
    """Gradients and metrics of a step on all rows, no parameter changed."""
    rows = len(next(iter(data.values())))
    learner, loop = made_learner(method, model, data, rows)
    loop.clock = clock
    gradients = Gradients(learner, loop)
    torch.manual_seed(seed)
    return gradients, learner.step(data, loop)


@contextmanager
def counted(module: nn.Module) -> Iterator[list[int]]:
    """Rows of every call of a module."""
    calls: list[int] = []
    hook = module.register_forward_pre_hook(lambda part, given: calls.append(len(given[0])))
    try:
        yield calls
    finally:
        hook.remove()
