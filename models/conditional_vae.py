"""Conditional variational auto-encoder: digits of a class that is named.

Source: Sohn, Lee and Yan (2015), "Learning structured output representation using deep
conditional generative models", NeurIPS; Kingma, Mohamed, Rezende and Welling (2014),
"Semi-supervised learning with deep generative models", NeurIPS.
Data: 8x8 digits with their labels (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn;
a pixel is on from half of full ink.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import _digits
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Bernoulli, Gaussian, Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))


class ConditionalVAE(PyroModule):
    """A label "y" of `classes`, each as likely, latents "z", and "x" given both.

    The label is data; left out, it is drawn, or inferred. The guide knows "x" and "y".
    """

    def __init__(
        self,
        pixels: int = 64,
        classes: int = 10,
        latents: int = 10,
        hidden: tuple[int, ...] = (200,),
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.likelihood = likelihood or Bernoulli(pixels)
        self.posterior = Gaussian(latents)
        self.encoder = mlp(pixels + classes, self.posterior.width, hidden)
        self.decoder = mlp(latents + classes, self.likelihood.width, hidden[::-1])
        self.register_buffer("origin", torch.zeros(latents), persistent=False)
        self.register_buffer("codes", torch.eye(classes), persistent=False)

    def forward(self, x: Tensor | None = None, y: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels), and `y`, (row,), 0 to classes-1."""
        there = known(x)
        rows = next((len(given) for given in (x, y) if given is not None), 1)
        with pyro.plate("case", rows):
            y = pyro.sample("y", dist.Categorical(self.origin.new_ones(self.classes)), obs=y)
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            code = self.decoder(join(z, self.codes[y.long()]))
            law = self.likelihood.distribution(code, there)
            pyro.sample("x", law, obs=x if x is None else filled(x, there))

    def guide(self, x: Tensor, y: Tensor) -> None:
        """The posterior of the latents given pixels and label."""
        with pyro.plate("case", len(x)):
            code = self.encoder(join(filled(x, known(x)), self.codes[y.long()]))
            pyro.sample("z", self.posterior.distribution(code))


def join(*parts: Tensor) -> Tensor:
    """Vectors one after the other; dimensions to their left are broadcast."""
    shape = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    first = parts[0]
    return torch.cat([part.to(first).expand(*shape, part.shape[-1]) for part in parts], -1)


def data(part: str = "train") -> dict[str, Tensor]:
    """Pixels and labels of the "train" (1200), "validation" (297) or "test" (300) part."""
    return {"x": _digits.pixels(part), "y": _digits.labels(part)}
