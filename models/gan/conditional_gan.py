"""Conditional GAN: digits of a class that is named.

Source: Mirza and Osindero (2014), "Conditional generative adversarial nets", arXiv:1411.1784.
Data: 8x8 digits with their labels (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn;
grey from -1 to 1.

The sites that are compared are "x" and "y". With sp = softplus and D in logits the critic's loss
is E sp(-D(x, y)) + E sp(D(G(z, y), y)), the program's E sp(-D(G(z, y), y)). Checked, median of 3
seeds: to a classifier of real digits 95 % of draws are of the class that was asked for; 10 % where
the labels of the data had been shuffled.
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
from probgen.models.gan._papers import BodyCritic, Branches, Maxout, Uniform
from probgen.nets.conditioning import Concat
from probgen.nets.dense import DenseCritic, mlp

method = pg.Adversarial(
    sites=("x", "y"),
    penalties=(pg.penalties.R1(1.0),),
    learning_rate=pg.schedules.Cosine(1e-3),
    betas=(0.5, 0.99),
)


class ConditionalGAN(PyroModule):
    """A label "y" of `classes`, each as likely, `latents` normal numbers "z", and "x" of both.

    Args:
        size: entries of a case, in [-1, 1].
        classes, latents: how many.
        hidden: widths of the hidden layers of both networks.
        generator, critic: other networks, (row, latents), (row,) -> (row, size), and
            (row, size), (row,) -> (row,) logits.

    """

    def __init__(
        self,
        size: int = 64,
        classes: int = 10,
        latents: int = 16,
        hidden: tuple[int, ...] = (256, 256),
        generator: nn.Module | None = None,
        critic: nn.Module | None = None,
    ) -> None:
        super().__init__()
        made = nn.Sequential(mlp(latents + classes, size, hidden), nn.Tanh())
        self.generator = generator or Concat(made, classes)
        self.critic = critic or Concat(DenseCritic(size + classes, hidden), classes)
        self.register_buffer("origin", torch.zeros(latents), persistent=False)
        self.register_buffer("even", torch.ones(classes), persistent=False)

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        """The program; `x`, (row, size), and `y`, (row,), 0 to classes-1."""
        rows = next((len(given) for given in (x, y) if given is not None), 1)
        with pyro.plate("case", rows):
            y = pyro.sample("y", dist.Categorical(self.even), obs=y)
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.generator(z, y)), obs=x)


def data(part: str = "train") -> dict[str, Tensor]:
    """Grey and labels of the "train" (1200), "validation" (297) or "test" (300) part."""
    return {"x": _digits.grey(part) / 8 - 1, "y": _digits.labels(part)}


def reproduce() -> tuple[ConditionalGAN, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for the paper's MNIST, grey from 0 to 1 (section 4.1).

    Its momentum rose from 0.5 to 0.7, here it stays 0.5; it stopped by the validation data.
    """
    generator = Branches(
        100,
        nn.Sequential(Uniform(), nn.Linear(100, 200), nn.ReLU()),
        nn.Sequential(nn.Linear(10, 1000), nn.ReLU()),
        nn.Sequential(
            nn.Dropout(), nn.Linear(1200, 1200), nn.ReLU(), nn.Dropout(), nn.Linear(1200, 784),
            nn.Sigmoid(),
        ),
    )  # fmt: skip
    joint = nn.Sequential(nn.Dropout(), Maxout(290, 240, 4), nn.Dropout())
    critic = BodyCritic(Branches(784, Maxout(784, 240, 5), Maxout(10, 50, 5), joint), 240)
    paper = pg.Adversarial(
        sites=("x", "y"),
        learning_rate=pg.schedules.Exponential(0.1, 1e-6, 287_829),  # 1.00004 a step
        optimiser=functools.partial(torch.optim.SGD, lr=0.1, momentum=0.5),
    )
    model = ConditionalGAN(784, 10, 100, (), Concat(generator, 10), Concat(critic, 10))
    return model, paper, {"epochs": 250, "batch_size": 100}
