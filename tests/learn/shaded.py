"""A program of images that are as dark as their label."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg


class Shaded(PyroModule):
    """Images "x" of 16 pixels, 0 to 1 by their label of three, "drawn", "given" or "ignored"."""

    def __init__(self, how: str = "drawn") -> None:
        super().__init__()
        self.how, self.weight = how, nn.Parameter(torch.ones(()))
        self.even, self.least = torch.ones(3), 0.0

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        rows = next((len(v) for v in (x, y) if v is not None), 1)
        with pyro.plate("case", rows):
            if self.how == "drawn":
                y = pyro.sample("y", dist.Categorical(self.even), obs=y)
            shade = torch.zeros(rows) if y is None or self.how == "ignored" else y / 2
            z = pyro.sample("z", dist.Normal(torch.zeros(16), 0.01).to_event(1))
            shade = self.weight * shade.clamp(min=self.least)[:, None]
            pyro.sample("x", pg.Implicit(shade + z), obs=x)
