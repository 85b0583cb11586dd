"""Variational auto-encoder: digits from normal latents, and back.

Source: Kingma and Welling (2014), "Auto-encoding variational Bayes", ICLR; Rezende, Mohamed and
Wierstra (2014), "Stochastic backpropagation and approximate inference in deep generative models",
ICML.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import _digits
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Bernoulli, Gaussian, Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))


class VAE(PyroModule):
    """`latents` normal numbers "z", and `pixels` entries "x" given a network of them.

    The guide is normal with mean and scale by a network of "x". Entries of "x" that are NaN are
    missing.

    Args:
        pixels: entries of a case.
        latents: how many.
        hidden: widths of the hidden layers, in the encoder's order.
        likelihood: law of "x" given what the decoder puts out; `Bernoulli(pixels)` if left out.
        encoder, decoder: other networks, (row, pixels) -> (row, 2 * latents), and
            (row, latents) -> (row, likelihood.width).

    """

    def __init__(
        self,
        pixels: int = 64,
        latents: int = 10,
        hidden: tuple[int, ...] = (200,),
        likelihood: Likelihood | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.likelihood = likelihood or Bernoulli(pixels)
        self.posterior = Gaussian(latents)
        self.encoder = encoder or mlp(pixels, self.posterior.width, hidden)
        self.decoder = decoder or mlp(latents, self.likelihood.width, hidden[::-1])
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels)."""
        there = known(x)
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            law = self.likelihood.distribution(self.decoder(z), there)
            pyro.sample("x", law, obs=x if x is None else filled(x, there))

    def guide(self, x: Tensor) -> None:
        """The posterior of the latents, as the encoder sees it."""
        with pyro.plate("case", len(x)):
            code = self.encoder(filled(x, known(x)))
            pyro.sample("z", self.posterior.distribution(code))


def data(part: str = "train") -> dict[str, Tensor]:
    """Pixels of the "train" (1200 digits), "validation" (297) or "test" (300) part."""
    return {"x": _digits.pixels(part)}
