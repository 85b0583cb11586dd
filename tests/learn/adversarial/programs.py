"""Small implicit programs to learn adversarially."""

from __future__ import annotations

import math
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg


class Score(nn.Module):
    """A critic with a body, of values side by side."""

    def __init__(self, width: int = 2, hidden: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(0.2))
        self.head = nn.Linear(hidden, 1)

    def features(self, *values: Tensor) -> Tensor:
        flat = [v.flatten(1) for v in values]
        return self.body(flat[0] if len(flat) == 1 else torch.cat(flat, 1))

    codes = features

    def forward(self, *values: Tensor) -> Tensor:
        return self.head(self.features(*values)).squeeze(-1)


class Points(PyroModule):
    """Points in the plane from four normal numbers."""

    def __init__(self, critic: nn.Module | None = None, **parts: nn.Module) -> None:
        super().__init__()
        self.generator = parts.get("generator") or network(4, 2)
        self.critic = critic or Score()
        self.register_buffer("zero", torch.zeros(4), persistent=False)

    def forward(self, x: Tensor | None = None) -> Tensor:
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            return pyro.sample("x", pg.Implicit(self.generator(z)), obs=x)


class Coded(Points):
    """Points with a code of three states; the guide reads it off the critic's body."""

    def __init__(self) -> None:
        super().__init__(generator=network(7, 2))
        self.reader = nn.Linear(16, 3)
        self.register_buffer("even", torch.full((3,), 1 / 3), persistent=False)

    def forward(self, x: Tensor | None = None) -> Tensor:
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            c = pyro.sample("c", dist.OneHotCategorical(self.even))
            return pyro.sample("x", pg.Implicit(self.generator(torch.cat([z, c], -1))), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("case", len(x)):
            pyro.sample("c", dist.OneHotCategorical(logits=self.reader(self.critic.body(x))))


class Labelled(Points):
    """Points with a label of three classes; the guide shares the critic's body."""

    def __init__(self, width: int = 2) -> None:
        super().__init__(critic=Score(width), generator=network(7, 2))
        self.reader = nn.Linear(16, 3)
        self.register_buffer("even", torch.full((3,), 1 / 3), persistent=False)
        self.register_buffer("codes", torch.eye(3), persistent=False)

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        given = next((v for v in (x, y) if v is not None), None)
        with pyro.plate("case", 1 if given is None else len(given)):
            y = pyro.sample("y", dist.Categorical(self.even), obs=y)
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            code = torch.cat([z, self.codes[y.long()]], -1)
            return pyro.sample("x", pg.Implicit(self.generator(code)), obs=x)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        with pyro.plate("case", len(x)):
            logits = self.reader(self.critic.body(x))
            pyro.sample("y", dist.Categorical(logits=logits), obs=y)


class Paired(Points):
    """Points with an encoder that takes part in the game."""

    def __init__(self) -> None:
        super().__init__(critic=Score(6))
        self.encoder = network(2, 4)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("case", len(x)):
            pyro.sample("z", pg.Implicit(self.encoder(x)))


class Pictures(PyroModule):
    """Pictures of one channel, with batch normalisation, from a tanh."""

    def __init__(self, side: int = 8, spectral: bool = False) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(4, 8, side // 2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Tanh(),
        )
        self.critic = PictureScore(side, spectral)
        self.register_buffer("zero", torch.zeros(4), persistent=False)

    def forward(self, x: Tensor | None = None) -> Tensor:
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.zero, 1.0).to_event(1))
            return pyro.sample("x", pg.Implicit(self.generator(z[..., None, None])), obs=x)


class PictureScore(nn.Module):
    """A convolutional critic."""

    def __init__(self, side: int = 8, spectral: bool = False) -> None:
        super().__init__()
        wrapped: Any = nn.utils.parametrizations.spectral_norm if spectral else lambda part: part
        self.net = nn.Sequential(
            wrapped(nn.Conv2d(1, 8, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            wrapped(nn.Conv2d(8, 8, side // 2)),
            *([] if spectral else [nn.Flatten(), nn.BatchNorm1d(8)]),
            nn.Flatten(),
            nn.Linear(8, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).squeeze(-1)


def network(inputs: int, outputs: int, hidden: int = 16) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def made(kind: Any, *args: Any, seed: int = 0, **options: Any) -> Any:
    """A program with the weights of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(*args, **options)


def normal_points(rows: int = 256, seed: int = 0) -> Tensor:
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed))


def ring(
    rows: int, modes: int = 8, radius: float = 2.0, scale: float = 0.02, seed: int = 0
) -> Any:
    """Points around the modes of a ring, and the modes."""
    random = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.arange(modes) / modes
    centres = torch.stack([radius * angle.cos(), radius * angle.sin()], 1)
    chosen = torch.randint(modes, (rows,), generator=random)
    return centres[chosen] + scale * torch.randn(rows, 2, generator=random), centres
