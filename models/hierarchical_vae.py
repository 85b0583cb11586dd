"""Hierarchical variational auto-encoder: latents that come from latents.

Source: Rezende, Mohamed and Wierstra (2014), "Stochastic backpropagation and approximate
inference in deep generative models", ICML; the chain of two layers of Burda, Grosse and
Salakhutdinov (2016), "Importance weighted autoencoders", ICLR.
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
from probgen.models import vae
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Bernoulli, Gaussian, Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))
data = vae.data


class HierarchicalVAE(PyroModule):
    """Layers of latents "z1", nearest to the pixels, to the last, which is standard normal.

    Each layer is normal with mean and scale by a network of the layer above it; the guide goes
    up, layer by layer, from "x".

    Args:
        pixels: entries of a case.
        latents: of each layer.
        hidden: widths of the hidden layers of every network.
        likelihood: law of "x" given "z1"; `Bernoulli(pixels)` if left out.

    """

    def __init__(
        self,
        pixels: int = 64,
        latents: tuple[int, ...] = (20, 10),
        hidden: tuple[int, ...] = (200,),
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.likelihood = likelihood or Bernoulli(pixels)
        self.layers = nn.ModuleList(Gaussian(size) for size in latents)
        below = (pixels, *latents)
        self.up = nn.ModuleList(
            mlp(low, law.width, hidden) for low, law in zip(below, self.layers, strict=False)
        )
        laws = (self.likelihood, *self.layers)
        self.down = nn.ModuleList(
            mlp(high, law.width, hidden[::-1]) for high, law in zip(latents, laws, strict=False)
        )
        self.register_buffer("origin", torch.zeros(latents[-1]), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels)."""
        there, top = known(x), len(self.layers)
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample(f"z{top}", dist.Normal(self.origin, 1.0).to_event(1))
            for number in range(top - 1, 0, -1):
                law = self.layers[number - 1].distribution(self.down[number](z))
                z = pyro.sample(f"z{number}", law)
            law = self.likelihood.distribution(self.down[0](z), there)
            pyro.sample("x", law, obs=x if x is None else filled(x, there))

    def guide(self, x: Tensor) -> None:
        """Every layer given the one below it."""
        with pyro.plate("case", len(x)):
            below = filled(x, known(x))
            for number, (law, network) in enumerate(zip(self.layers, self.up, strict=True), 1):
                below = pyro.sample(f"z{number}", law.distribution(network(below)))
