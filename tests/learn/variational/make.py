"""Learners and losses of a program without a training around them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from probgen.inference.variational.svi import SVI
from probgen.learn.training.information import DataInfo
from probgen.learn.training.rows import Rows, TensorColumn
from probgen.learn.variational.learner import VariationalLearner


def info_of(data: dict[str, Tensor], batch_size: int) -> DataInfo:
    rows = Rows({name: TensorColumn(value) for name, value in data.items()}, tuple(data))
    shapes = {name: tuple(value.shape[1:]) for name, value in data.items()}
    return DataInfo(len(rows), shapes, batch_size, 100, torch.device("cpu"), rows)


def learner_of(
    model: Any, data: dict[str, Tensor], batch_size: int | None = None, **settings: Any
) -> VariationalLearner:
    rows = len(next(iter(data.values())))
    return VariationalLearner(SVI(**settings), model, info_of(data, batch_size or rows))


def gradients(learner: VariationalLearner, batch: dict[str, Tensor], seed: int = 0, **more: Any):
    """The loss and its gradient at a batch: (number, one vector)."""
    module = learner.pair.module
    module.zero_grad(set_to_none=True)
    torch.manual_seed(seed)
    loss = learner.estimator.backward(batch, **more)["loss"]
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]
    return float(loss), torch.cat([part.flatten() for part in parts])
