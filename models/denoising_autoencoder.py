"""Denoising auto-encoder: it tells the score of noisy digits.

Source: Vincent, Larochelle, Bengio and Manzagol (2008), "Extracting and composing robust features
with denoising autoencoders", ICML; Alain and Bengio (2014), "What regularized auto-encoders learn
from the data-generating distribution", JMLR 15; the chain is that of Bengio, Yao, Alain and
Vincent (2013), "Generalized denoising auto-encoders as generative models", NeurIPS.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; ink from 0 to 1.
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
from probgen.nets.likelihoods import Gaussian

method = SVI(learning_rate=Cosine(5e-3))


class DenoisingAutoencoder(PyroModule):
    """ "noisy" is "x" with normal noise, and "x" is normal around `denoise(noisy)`.

    Model and guide corrupt alike, so that what is learned is the reconstruction alone: its mean
    becomes r(noisy) = E[x | noisy], and r(v) - v = noise^2 grad log p(v), where p is the law of
    noisy cases (Tweedie's formula). Without "x" the noisy case is standard normal.

    Args:
        pixels: entries of a case.
        noise: standard deviation of the corruption.
        hidden: widths of the hidden layers.
        network: another one, (row, pixels) -> (row, pixels): minus the noise it sees, in units
            of `noise`.

    """

    def __init__(
        self,
        pixels: int = 64,
        noise: float = 0.3,
        hidden: tuple[int, ...] = (400, 400),
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.network = network or mlp(pixels, pixels, hidden, nn.SiLU)
        self.likelihood = Gaussian(pixels, "shared", start=noise)
        self.register_buffer("origin", torch.zeros(pixels), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels)."""
        with pyro.plate("case", 1 if x is None else len(x)):
            centre, scale = (self.origin, 1.0) if x is None else (x, self.noise)
            noisy = pyro.sample("noisy", dist.Normal(centre, scale).to_event(1))
            pyro.sample("x", self.likelihood.distribution(self.denoise(noisy)), obs=x)

    def guide(self, x: Tensor) -> None:
        """The corruption."""
        with pyro.plate("case", len(x)):
            pyro.sample("noisy", dist.Normal(x, self.noise).to_event(1))

    def denoise(self, noisy: Tensor) -> Tensor:
        """The mean of "x" given "noisy", (..., pixels)."""
        return noisy + self.noise * self.network(noisy)

    def score(self, noisy: Tensor) -> Tensor:
        """Gradient of the log density of noisy cases, (..., pixels)."""
        return self.network(noisy) / self.noise

    @torch.no_grad()
    def walk(self, x: Tensor, steps: int, generator: torch.Generator | None = None) -> Tensor:
        """The chain that corrupts and draws "x" given that, from `x`; (steps, row, pixels).

        Its stationary law is that of the data as far as "x" given "noisy" is normal with the
        scale that was learned: the better the smaller the noise, and the slower.
        """
        scale, states = self.likelihood.log_scale.exp(), []
        for _ in range(steps):
            first, second = torch.randn(
                2, *x.shape, generator=generator, dtype=x.dtype, device=x.device
            )
            x = self.denoise(x + self.noise * first) + scale * second
            states.append(x)
        return torch.stack(states)


def data(part: str = "train") -> dict[str, Tensor]:
    """Ink, 0 to 1, of the "train" (1200), "validation" (297) or "test" (300) part."""
    return {"x": _digits.grey(part) / 16}
