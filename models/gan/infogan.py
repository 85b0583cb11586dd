"""InfoGAN: points of four kinds, which a code learns to name.

Source: Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel (2016), "InfoGAN: interpretable
representation learning by information maximizing generative adversarial nets", NeurIPS.
Data: made here, 4 normals on a ring.

Beside the game both networks ascend `weight` times L_I = E log q(c | G(z, c)) + H(c), a lower
bound on the information I(c; x), c being the codes: q is the guide, of the critic's body.
Checked, 3 seeds: L_I is 1.00 H(c), and the codes of new points name their kind (purity 1.00); at
weight 0 they do not (-0.05 and 0.26).
"""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

import probgen as pg
from probgen.models.conditional_vae import join
from probgen.models.gan import _points
from probgen.models.gan._papers import BodyCritic, Uniform
from probgen.nets.dense import DenseCritic, mlp

method = pg.Adversarial(
    codes={"c": 1.0},
    penalties=(pg.penalties.R1(0.1),),
    learning_rate=pg.schedules.Cosine(1e-3),
    betas=(0.5, 0.99),
)
_SCALE = 0.1  # standard deviation of the points of a kind
_LEAST = 1e-3  # deviation that the guide gives a number


class InfoGAN(PyroModule):
    """Codes "c" (a class), "n" (normal) and "u" (uniform on -1 to 1), noise "z", and "x" of all.

    Codes of which there are none are left out of the program. The guide gives "c" a categorical
    law, "n" and "u" independent normal ones, of heads on the critic's features.

    Args:
        size: entries of a case.
        classes, normals, uniforms: how many classes, and numbers, the codes have.
        latents: how many numbers the noise has.
        hidden: widths of the hidden layers of both networks.
        bounded: whether entries lie in [-1, 1], as the grey of an image does.
        generator: another network, (row, latents + codes) -> (row, size).
        critic: another network, (row, size) -> (row,) logits, whose `features(x)` are
            (row, features).
        recogniser: another network of features, -> (row, classes + numbers), and as many more
            as there are numbers where their deviation is learned.
        deviation: the standard deviation of the laws of "n" and "u"; learned if left out.

    """

    def __init__(
        self,
        size: int = 2,
        classes: int = 4,
        normals: int = 0,
        uniforms: int = 0,
        latents: int = 8,
        hidden: tuple[int, ...] = (96, 96),
        bounded: bool = False,
        generator: nn.Module | None = None,
        critic: nn.Module | None = None,
        recogniser: nn.Module | None = None,
        deviation: float | None = None,
    ) -> None:
        super().__init__()
        self.classes, self.normals, self.uniforms = classes, normals, uniforms
        codes = classes + normals + uniforms
        last = nn.Tanh() if bounded else nn.Identity()
        made = generator or nn.Sequential(mlp(latents + codes, size, hidden), last)
        self.generator = made
        self.critic = critic or DenseCritic(size, hidden)
        self.deviation = deviation
        outputs = codes + (normals + uniforms if deviation is None else 0)
        self.recogniser = recogniser or nn.Linear(hidden[-1], outputs)
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, size)."""
        zeros = self.origin.new_zeros
        parts = []
        with pyro.plate("case", 1 if x is None else len(x)):
            if self.classes:
                c = pyro.sample("c", dist.Categorical(logits=zeros(self.classes)))
                parts.append(one_hot(c.long(), self.classes).to(self.origin))
            if self.normals:
                parts.append(pyro.sample("n", dist.Normal(zeros(self.normals), 1.0).to_event(1)))
            if self.uniforms:
                low = zeros(self.uniforms) - 1.0
                parts.append(pyro.sample("u", dist.Uniform(low, -low).to_event(1)))
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.generator(join(z, *parts))), obs=x)

    def guide(self, x: Tensor) -> None:
        """The codes, as the recogniser sees them."""
        numbers = self.normals + self.uniforms
        out = self.recogniser(self.critic.features(x))
        logits, mean, wide = out.tensor_split([self.classes, self.classes + numbers], 1)
        fixed = self.deviation is not None
        scale = torch.full_like(mean, self.deviation) if fixed else softplus(wide) + _LEAST
        with pyro.plate("case", len(x)):
            if self.classes:
                pyro.sample("c", dist.Categorical(logits=logits))
            for site, of in (("n", slice(0, self.normals)), ("u", slice(self.normals, numbers))):
                if of.start < of.stop:
                    pyro.sample(site, dist.Normal(mean[:, of], scale[:, of]).to_event(1))


def data(part: str = "train") -> dict[str, Tensor]:
    """Points of the "train" (6400), "validation" (2560) or "test" (2560) part."""
    return {"x": _points.part(_points.ring(4), _SCALE, part)["x"]}


def reproduce() -> tuple[InfoGAN, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for the paper's MNIST, 28x28, grey from 0 to 1.

    Its 62 numbers of noise and two codes are uniform. As in github.com/openai/InfoGAN, where an
    epoch is 100 minibatches, and fakes are Bernoulli means.
    """
    generator = nn.Sequential(
        Uniform(-1.0, 62),
        nn.Linear(74, 1024), nn.BatchNorm1d(1024), nn.ReLU(),
        nn.Linear(1024, 6272), nn.BatchNorm1d(6272), nn.ReLU(), nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Flatten(), nn.Sigmoid(),
    )  # fmt: skip
    body = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.1),
        nn.Conv2d(64, 128, 4, 2, 1), nn.BatchNorm2d(128), nn.LeakyReLU(0.1), nn.Flatten(),
        nn.Linear(6272, 1024), nn.BatchNorm1d(1024), nn.LeakyReLU(0.1),
    )  # fmt: skip
    recogniser = nn.Sequential(
        nn.Linear(1024, 128), nn.BatchNorm1d(128), nn.LeakyReLU(0.1), nn.Linear(128, 12)
    )
    model = InfoGAN(
        784, 10, uniforms=2, latents=62, generator=generator, critic=BodyCritic(body, 1024),
        recogniser=recogniser, deviation=1.0,
    )  # fmt: skip
    paper = pg.Adversarial(
        codes={"c": 1.0, "u": 1.0}, learning_rate=1e-3, critic_learning_rate=2e-4
    )
    return model, paper, {"epochs": 11, "batch_size": 128}
