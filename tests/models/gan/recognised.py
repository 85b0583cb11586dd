"""Which digits drawn digits are, by a classifier that was trained on others."""

from __future__ import annotations

import functools

import torch
from pyro import poutine
from torch import Tensor, nn

from probgen.learn.draws import evaluating
from probgen.models import _digits


@functools.cache
def classifier():
    """A support vector machine of the grey of the "train" part."""
    from sklearn.svm import SVC

    return SVC().fit(_digits.grey("train").numpy(), _digits.labels("train").numpy())


def accuracy() -> float:
    """Of the classifier, on the "test" part."""
    return classifier().score(_digits.grey("test").numpy(), _digits.labels("test").numpy())


def digits(x: Tensor) -> Tensor:
    """The classes of images in [-1, 1], (row, 64)."""
    return torch.from_numpy(classifier().predict(((x + 1) * 8).numpy()))


def of_each_class(model: nn.Module, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draws of "x" given "y", `count` for each of ten classes, and "y"."""
    y = torch.arange(10).repeat_interleave(count)
    with evaluating(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return poutine.trace(model).get_trace(y=y).nodes["x"]["value"], y


def diversity(x: Tensor, y: Tensor) -> Tensor:
    """Mean distance between two images of a class, for each class."""
    return torch.stack([torch.pdist(x[y == k]).mean() for k in range(10)])
