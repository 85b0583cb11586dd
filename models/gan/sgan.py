"""Semi-supervised GAN: a critic of ten classes and a fake one.

Source: Odena (2016), "Semi-supervised learning with generative adversarial networks",
arXiv:1606.01583; Salimans, Goodfellow, Zaremba, Cheung, Radford and Chen (2016), "Improved
techniques for training GANs", NeurIPS.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; grey from -1 to 1;
50 of the 1200 labels are known, five of each digit.

A classifier of K + 1 classes, the last of which, "fake", has the logit 0: with logits l of the
others p(real | x) = Z / (Z + 1), Z = sum exp l(x), so that log Z is the critic's score D. Its
loss is E sp(-D(x)) + E sp(D(G(z))) - E log p(y | x, real), the last over rows with a label, with
sp = softplus; the program's is E sp(-D(G(z))) = -E log p(real | G(z)). Checked: the identity; at
least 3 points more of the test digits right than by the same network on the labels alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn
from torch.nn.functional import one_hot

import probgen as pg
from probgen.models import _digits
from probgen.models.gan._papers import Uniform
from probgen.nets.dense import mlp

__all__ = ["SGAN", "ClassCritic", "data", "method", "reproduce"]

method = pg.Adversarial(
    codes=(pg.Code("y", real=True, fake=False),),
    learning_rate=1e-3,
)


class ClassCritic(nn.Module):
    """Scores log sum exp of a classifier's logits: those of "one of the classes" against "fake".

    `body` makes features of a case, (row, width), and `head` the logits, (row, classes), of them.
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def features(self, x: Tensor) -> Tensor:
        """What the last hidden layer sees, (row, width)."""
        return self.body(x)

    def logits(self, x: Tensor) -> Tensor:
        """Log p(class | x) - log p(fake | x), (row, classes)."""
        return self.head(self.body(x))

    def forward(self, x: Tensor) -> Tensor:
        """Log p(real | x) - log p(fake | x), (row,)."""
        return self.logits(x).logsumexp(-1)


class SGAN(PyroModule):
    """`latents` normal numbers "z", and "x" of them; the guide tells the label "y" of "x".

    The program has no label: labels are read by the critic, whose classes they are.

    Args:
        size: entries of a case, in [-1, 1].
        classes, latents: how many.
        hidden: widths of the critic's hidden layers; the generator has two of 128, normalised
            over the minibatch.
        generator: another network, (row, latents) -> (row, size).
        critic: another `ClassCritic`.

    """

    def __init__(
        self,
        size: int = 64,
        classes: int = 10,
        latents: int = 32,
        hidden: tuple[int, ...] = (200, 100),
        generator: nn.Module | None = None,
        critic: ClassCritic | None = None,
    ) -> None:
        super().__init__()
        self.generator = generator or nn.Sequential(
            nn.Linear(latents, 128), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, 128), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Linear(128, size), nn.Tanh(),
        )  # fmt: skip
        layers = mlp(size, classes, hidden, lambda: nn.LeakyReLU(0.2))
        self.critic = critic or ClassCritic(layers[:-1], layers[-1])
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        """The program; `x`, (row, size). The labels `y` are of no concern to it."""
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.generator(z), 1), obs=x)

    def guide(self, x: Tensor) -> None:
        """The label, given that the case is real."""
        with pyro.plate("case", len(x)):
            pyro.sample("y", dist.Categorical(logits=self.critic.logits(x)))

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Log p(y | x, real) of every label, nats: (row, size) -> (row, classes)."""
        return self.critic.logits(x).log_softmax(-1)


def data(part: str = "train") -> dict[str, Tensor]:
    """Grey and labels of the "train" (1200), "validation" (297) or "test" (300) part.

    In the "train" part the label is -1 but of the first five of each digit.
    """
    y = _digits.labels(part)
    return {"x": _digits.grey(part) / 8 - 1, "y": few(y, 5) if part == "train" else y}


def few(y: Tensor, each: int) -> Tensor:
    """Labels, (row,), with -1 for all but the first `each` of every class."""
    before = one_hot(y).cumsum(0).gather(1, y[:, None])[:, 0]
    return y.where(before <= each, -1)


def reproduce() -> tuple[SGAN, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for MNIST, grey from 0 to 1, with 100 labels.

    As Salimans et al. and train_mnist_feature_matching.py of github.com/openai/improved-gan: the
    program matches features, noise is added before every layer of the critic, and its loss
    counts the labels twice. There a minibatch had 100 labelled rows beside its 100 others and
    weights were normalised.
    """
    generator = nn.Sequential(
        Uniform(),
        nn.Linear(100, 500), nn.BatchNorm1d(500), nn.Softplus(),
        nn.Linear(500, 500), nn.BatchNorm1d(500), nn.Softplus(),
        nn.Linear(500, 784), nn.Sigmoid(),
    )  # fmt: skip
    body: list[nn.Module] = []
    widths = (784, 1000, 500, 250, 250, 250)
    for low, high in pairwise(widths):
        body += [_Noise(0.5 if body else 0.3), nn.Linear(low, high), nn.ReLU()]
    critic = ClassCritic(nn.Sequential(*body), nn.Sequential(_Noise(0.5), nn.Linear(250, 10)))
    paper = pg.Adversarial(
        game=pg.games.FeatureMatching(),
        codes=(pg.Code("y", weight=2.0, real=True, fake=False),),
        learning_rate=3e-3,
        betas=(0.5, 0.999),
    )
    model = SGAN(784, 10, 100, generator=generator, critic=critic)
    return model, paper, {"epochs": 300, "batch_size": 100}


class _Noise(nn.Module):
    """Normal noise, while the module trains."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * torch.randn_like(x) if self.training else x
