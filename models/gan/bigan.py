"""Bidirectional GAN: digits from latents, and back in the same game.

Source: Donahue, Kraehenbuehl and Darrell (2017), "Adversarial feature learning", ICLR; Dumoulin,
Belghazi, Poole, Mastropietro, Lamb, Arjovsky and Courville (2017), "Adversarially learned
inference", ICLR.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; grey from -1 to 1.

The critic sees pairs, (x, E(x)) of data and (G(z), z) of the program. With sp = softplus and D in
logits its loss is E sp(-D(x, E(x))) + E sp(D(G(z), z)); that of generator and encoder together is
E sp(D(x, E(x))) + E sp(-D(G(z), z)). Where the critic can tell nothing, E and G are each other's
inverse. Checked on a warped normal in the plane: E |E(G(z)) - z|^2 <= 0.25 per latent and
E |G(E(x)) - x|^2 <= 0.35 of the variance; where the critic does not see z both are about 1.
"""

from __future__ import annotations

import functools
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg
from probgen.models import _digits
from probgen.models.gan._papers import Uniform
from probgen.nets.dense import DenseCritic, mlp

__all__ = ["BiGAN", "data", "method", "reproduce"]

method = pg.Adversarial(
    sites=("x", "z"),
    game=pg.games.Bidirectional(),
    penalties=(pg.penalties.R1(0.1),),
    learning_rate=5e-4,
    critic_learning_rate=2e-3,
    betas=(0.0, 0.99),
)


class BiGAN(PyroModule):
    """`latents` normal numbers "z", and "x", which a network makes of them; its guide goes back.

    Args:
        size: entries of a case.
        latents: how many.
        hidden: widths of the hidden layers of all networks, in the encoder's order.
        bounded: whether entries lie in [-1, 1], as the grey of an image does.
        generator, encoder, critic: other networks, (row, latents) -> (row, size),
            (row, size) -> (row, latents), and (row, size), (row, latents) -> (row,) logits.

    """

    def __init__(
        self,
        size: int = 64,
        latents: int = 10,
        hidden: tuple[int, ...] = (256, 256),
        bounded: bool = True,
        generator: nn.Module | None = None,
        encoder: nn.Module | None = None,
        critic: nn.Module | None = None,
    ) -> None:
        super().__init__()
        last = nn.Tanh() if bounded else nn.Identity()
        self.generator = generator or nn.Sequential(mlp(latents, size, hidden[::-1]), last)
        self.encoder = encoder or mlp(size, latents, hidden)
        self.critic = critic or DenseCritic(size + latents, hidden)
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, size)."""
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.generator(z), 1), obs=x)

    def guide(self, x: Tensor) -> None:
        """The encoder: the latents that "x" came from."""
        with pyro.plate("case", len(x)):
            pyro.sample("z", pg.Implicit(self.encoder(x), 1))


def data(part: str = "train") -> dict[str, Tensor]:
    """Grey of the "train" (1200 digits), "validation" (297) or "test" (300) part."""
    return {"x": _digits.grey(part) / 8 - 1}


def reproduce() -> tuple[BiGAN, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for the paper's MNIST, grey from 0 to 1, 50000 of them.

    As in train_mnist.sh of github.com/jeffdonahue/bigan: 200 epochs, and 200 in which the rate
    falls to a hundredth. The encoder finds the normal numbers that the uniform ones are made of.
    """
    generator = nn.Sequential(Uniform(-1.0), *_paper_layers(50, 784, nn.ReLU()), nn.Sigmoid())
    encoder = _paper_layers(784, 50, nn.LeakyReLU(0.2))
    body = nn.Sequential(*_paper_layers(834, 1, nn.LeakyReLU(0.2)), nn.Flatten(0))
    steps = 200 * 391
    falling = pg.schedules.Exponential(2e-4, 2e-6, steps)
    paper = pg.Adversarial(
        sites=("x", "z"),
        game=pg.games.Bidirectional(),
        learning_rate=pg.schedules.Sequential(2e-4, steps, falling),
        optimiser=functools.partial(
            torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999), weight_decay=2.5e-5
        ),
    )
    model = BiGAN(784, 50, generator=generator, encoder=encoder, critic=_Pairs(body))
    return model, paper, {"epochs": 400, "batch_size": 128}


class _Pairs(nn.Module):
    """A critic of both sites side by side."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.body(torch.cat([x, z], 1))


def _paper_layers(inputs: int, outputs: int, activation: nn.Module) -> nn.Sequential:
    """Two hidden layers of 1024, normalised over the minibatch without gain and bias."""
    return nn.Sequential(
        nn.Linear(inputs, 1024), activation,
        nn.Linear(1024, 1024, bias=False), nn.BatchNorm1d(1024, affine=False), activation,
        nn.Linear(1024, outputs),
    )  # fmt: skip
