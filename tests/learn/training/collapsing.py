"""Programs of points on a ring that are led where a test wants them, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.learn.training.protocol import Player

MODES = 8
ANGLES = torch.arange(MODES) * 2 * math.pi / MODES
CENTRES = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def ring(rows: int = 400, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    which = torch.randint(MODES, (rows,), generator=random)
    return CENTRES[which] + 0.02 * torch.randn(rows, 2, generator=random)


class Ring(PyroModule):
    """Points x at eight places of a ring, with probabilities and a radius that are parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(MODES))
        self.radius = nn.Parameter(torch.ones(()))
        self.register_buffer("centres", CENTRES.clone())
        self.norm = nn.BatchNorm1d(2, affine=False, momentum=0.5)

    def forward(self, x: Tensor | None = None) -> None:
        with pyro.plate("case", 1 if x is None else len(x)):
            which = pyro.sample("which", dist.Categorical(logits=self.logits))
            centre = self.radius * self.centres[which]
            pyro.sample("x", dist.Normal(centre, 0.02).to_event(1), obs=x)
        if self.training:  # which a look would change, were it not in its mode for evaluation
            self.norm(torch.randn(4, 2) + centre[:1])


@dataclass(frozen=True)
class Led:
    """From step `at` on, the ring is as `how` says; before, it is that of the data."""

    at: int = 50
    how: str = "stays"

    name: ClassVar[str] = "led"
    learns: ClassVar[str] = "program"
    defaults: ClassVar[Mapping[str, Any]] = {"epochs": 10, "batch_size": 50}

    def learner(self, model: nn.Module, info: Any, options: Any) -> LedLearner:
        return LedLearner(model, self)


class LedLearner:
    def __init__(self, model: nn.Module, method: Led) -> None:
        self.model, self.method = model, method
        self.players = {"model": Player(model, torch.optim.SGD(model.parameters(), lr=0.0))}

    def step(self, batch: dict[str, Tensor], loop: Any) -> dict[str, float]:
        self.model(**batch)
        with torch.no_grad():
            if loop.clock >= self.method.at and self.method.how == "one mode":
                self.model.logits.copy_(torch.tensor([50.0] + [0.0] * (MODES - 1)))
            if loop.clock >= self.method.at and self.method.how == "two modes":
                self.model.logits.copy_(torch.tensor([50.0, 0, 0, 0, 50.0, 0, 0, 0]))
            last = list(self.model.parameters())[-1]
            last.add_(1e-4 * float(torch.randn(())))  # of the training's generator
        loop.update("model")  # the average follows
        return {"loss": float(torch.rand(()))}

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        pass
