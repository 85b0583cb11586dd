"""Energy-based GAN: digits that an auto-encoder does not find odd.

Source: Zhao, Mathieu and LeCun (2017), "Energy-based generative adversarial networks", ICLR.
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; grey from -1 to 1.

The energy of a case is D(x) = |Dec(Enc(x)) - x|. The critic's loss is
E D(x) + E relu(m - D(G(z))) with the margin m, the program's E D(G(z)) + 0.1 PT, where PT is the
mean of cos^2(Enc(G(z_i)), Enc(G(z_j))) over pairs of a minibatch: 0 for orthogonal codes, 1 for
parallel ones. Where both sides have the same energies below m the critic's loss is m (theorem 1).
Checked: that; the energy of noise is at least 3 times that of test digits; with PT the codes of
draws are less alike.
"""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

import probgen as pg
from probgen.models import _digits
from probgen.nets.dense import mlp

__all__ = ["EBGAN", "EnergyCritic", "data", "method", "reproduce"]

method = pg.Adversarial(
    game=pg.games.Energy(1.0),
    penalties=(pg.penalties.PullingAway(0.1),),
    learning_rate=5e-4,
    critic_learning_rate=2e-3,
    betas=(0.0, 0.99),
)


class EnergyCritic(nn.Module):
    """Energies of cases: how far they are from what an auto-encoder makes of them.

    `encoder` maps (row, size) to (row, codes), and `decoder` back.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def codes(self, x: Tensor) -> Tensor:
        """What the encoder makes of cases, (row, codes)."""
        return self.encoder(x)

    def reconstructed(self, x: Tensor) -> Tensor:
        """Cases through encoder and decoder, (row, size)."""
        return self.decoder(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        """Euclidean distances, (row,); gradients go through the case on both sides."""
        return torch.linalg.vector_norm(self.reconstructed(x) - x, dim=-1)


class EBGAN(PyroModule):
    """`latents` normal numbers "z", and "x", which a network makes of them.

    Args:
        size: entries of a case.
        latents: how many.
        codes: numbers between the critic's encoder and its decoder.
        hidden: widths of the hidden layers of all networks.
        bounded: whether entries lie in [-1, 1], as the grey of an image does.
        generator: another network, (row, latents) -> (row, size).
        critic: another `EnergyCritic`.

    """

    def __init__(
        self,
        size: int = 64,
        latents: int = 16,
        codes: int = 16,
        hidden: tuple[int, ...] = (128,),
        bounded: bool = True,
        generator: nn.Module | None = None,
        critic: EnergyCritic | None = None,
    ) -> None:
        super().__init__()
        last = nn.Tanh() if bounded else nn.Identity()
        self.generator = generator or nn.Sequential(mlp(latents, size, hidden[::-1]), last)
        self.critic = critic or EnergyCritic(
            mlp(size, codes, hidden, _leaky), mlp(codes, size, hidden[::-1], _leaky)
        )
        self.register_buffer("origin", torch.zeros(latents), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, size)."""
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(self.origin, 1.0).to_event(1))
            pyro.sample("x", pg.Implicit(self.generator(z), 1), obs=x)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def data(part: str = "train") -> dict[str, Tensor]:
    """Grey of the "train" (1200 digits), "validation" (297) or "test" (300) part."""
    return {"x": _digits.grey(part) / 8 - 1}


def reproduce() -> tuple[EBGAN, pg.Adversarial, dict[str, Any]]:
    """Model, method and options of `fit` for MNIST: the paper's best with pulling-away (fig. 3).

    A generator of five layers and an auto-encoder of two. What its grid left open is as in our
    own: 100 latents, grey from -1 to 1, and 50 epochs.
    """
    model = EBGAN(
        784,
        latents=100,
        generator=nn.Sequential(mlp(100, 784, (800,) * 4), nn.Tanh()),
        critic=EnergyCritic(nn.Sequential(nn.Linear(784, 1024), nn.ReLU()), nn.Linear(1024, 784)),
    )
    paper = pg.Adversarial(
        game=pg.games.Energy(10.0),
        penalties=(pg.penalties.PullingAway(0.1),),
        learning_rate=1e-3,
        betas=(0.9, 0.999),
    )
    return model, paper, {"epochs": 50, "batch_size": 128}
