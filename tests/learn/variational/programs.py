"""Small programs with guides that variational learning is tested with."""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn


class VAE(PyroModule):
    """Two normal latents per row, and `size` binary entries by a small network of them."""

    def __init__(self, size: int = 6, latents: int = 2, hidden: int = 8) -> None:
        super().__init__()
        self.latents = latents
        self.encoder = nn.Sequential(
            nn.Linear(size, hidden), nn.Softplus(), nn.Linear(hidden, 2 * latents)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latents, hidden), nn.Softplus(), nn.Linear(hidden, size)
        )

    def forward(self, x: Tensor | None = None) -> Tensor:
        with pyro.plate("rows", 1 if x is None else len(x)):
            origin = self.decoder[0].weight.new_zeros(self.latents)
            z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
            return pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("rows", len(x)):
            mean, log_scale = self.encoder(x).chunk(2, -1)
            pyro.sample("z", dist.Normal(mean, log_scale.exp()).to_event(1))


class Regression(PyroModule):
    """A global slope with a normal prior, and a normal offset per row: both latent.

    The guide's draws are points, so that losses have no noise.
    """

    def __init__(self, rows: int = 0) -> None:
        super().__init__()
        self.rows = rows
        self.at = nn.Parameter(torch.tensor(0.3))
        self.shift = nn.Parameter(torch.tensor(0.2))
        self.log_noise = nn.Parameter(torch.tensor(-0.5))

    def plate(self, count: int) -> Any:
        return pyro.plate("rows", count)

    def priors(self) -> tuple[Any, Any]:
        number = self.at.new_tensor
        return (
            dist.Normal(number(1.0), number(0.5)),
            dist.Normal(number(0.0), number(2.0)),
        )

    def forward(self, x: Tensor, y: Tensor | None = None) -> None:
        of_slope, of_offset = self.priors()
        slope = pyro.sample("slope", of_slope)
        with self.plate(len(x)):
            offset = pyro.sample("offset", of_offset)
            noise = self.log_noise.exp()
            pyro.sample("y", dist.Normal(slope * x + offset, noise), obs=y)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:
        pyro.sample("slope", dist.Delta(self.at))
        with self.plate(len(x)):
            pyro.sample("offset", dist.Delta(self.shift * y))


class Subsampled(Regression):
    """It counts its rows itself, by a plate of all of them of which the batch is a part."""

    def plate(self, count: int) -> Any:
        return pyro.plate("rows", self.rows, subsample=torch.arange(count))


class ScaledByHand(Regression):
    """It counts its rows itself, by a scale."""

    def plate(self, count: int) -> Any:
        from contextlib import ExitStack

        stack = ExitStack()
        stack.enter_context(pyro.poutine.scale(scale=self.rows / count))
        stack.enter_context(pyro.plate("rows", count))
        return stack


class NormalMean(PyroModule):
    """Conjugate: mean ~ Normal(0, 10), x ~ Normal(mean, 2) for every row."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.tensor(2.0))

    def forward(self, x: Tensor | None = None) -> None:
        mean = pyro.sample("mean", dist.Normal(self.noise.new_zeros(()), 10.0))
        with pyro.plate("rows", 1 if x is None else len(x)):
            pyro.sample("x", dist.Normal(mean, self.noise), obs=x)


class Mixture(PyroModule):
    """A choice of two per row, summed out or drawn by the guide."""

    def __init__(self, marked: bool = True, guided: bool = False) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.tensor([-1.0, 1.0]))
        self.logit = nn.Parameter(torch.zeros(()))
        self.slope = nn.Parameter(torch.ones(()))
        self.marked, self.guided = marked, guided

    def forward(self, x: Tensor | None = None) -> None:
        with pyro.plate("rows", 1 if x is None else len(x)):
            infer = {"enumerate": "parallel"} if self.marked else {}
            k = pyro.sample("k", dist.Bernoulli(logits=self.logit), infer=infer)
            pyro.sample("x", dist.Normal(self.means[k.long()], 0.5), obs=x)

    def guide(self, x: Tensor) -> None:
        if self.guided:
            with pyro.plate("rows", len(x)):
                pyro.sample("k", dist.Bernoulli(logits=self.slope * x))


def binary_data(rows: int = 203, size: int = 6, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, 2, generator=random)
    logits = 2 * z @ torch.randn(2, size, generator=random)
    return torch.bernoulli(logits.sigmoid(), generator=random)


def line_data(rows: int = 60, seed: int = 0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, generator=random, dtype=torch.float64)
    return {"x": x, "y": 0.7 * x + torch.randn(rows, generator=random, dtype=torch.float64)}
