"""Variational auto-encoder of choices, summed out or relaxed.

Source: Jang, Gu and Poole (2017), "Categorical reparameterization with Gumbel-softmax", ICLR;
Maddison, Mnih and Teh (2017), "The concrete distribution", ICLR. Summing over the guide's states
leaves no noise of theirs in the gradient (Titsias and Lazaro-Gredilla 2015).
Data: 8x8 digits (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn; a pixel is on from
half of full ink.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor

from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Cosine
from probgen.models import vae
from probgen.models.conditional_vae import join
from probgen.nets.dense import mlp
from probgen.nets.likelihoods import Bernoulli, Likelihood, filled, known

method = SVI(learning_rate=Cosine(5e-3))
data = vae.data


class DiscreteVAE(PyroModule):
    """`latents` choices "z0", "z1" ... of `states` each, uniform, and "x" given them.

    Exact sums go over states ** latents combinations for every case: keep them in the hundreds.
    With a temperature the choices are relaxed to weights of the states, which can be
    differentiated, and any number will do; learn it by `ELBO()` then.

    Args:
        pixels: entries of a case.
        latents: number of choices.
        states: of each.
        temperature: of the relaxation, such as 0.5, or None for exact sums.
        hidden: widths of the hidden layers.
        likelihood: law of "x"; `Bernoulli(pixels)` if left out.

    """

    def __init__(
        self,
        pixels: int = 64,
        latents: int = 2,
        states: int = 10,
        temperature: float | None = None,
        hidden: tuple[int, ...] = (200,),
        likelihood: Likelihood | None = None,
    ) -> None:
        super().__init__()
        self.latents, self.states = latents, states
        self.likelihood = likelihood or Bernoulli(pixels)
        self.encoder = mlp(pixels, latents * states, hidden)
        self.decoder = mlp(latents * states, self.likelihood.width, hidden[::-1])
        heat = None if temperature is None else torch.tensor(float(temperature))
        self.register_buffer("temperature", heat, persistent=False)
        self.register_buffer("uniform", torch.zeros(states), persistent=False)
        self.register_buffer("codes", torch.eye(states), persistent=False)

    def forward(self, x: Tensor | None = None) -> None:
        """The program; `x`, (row, pixels)."""
        there = known(x)
        with pyro.plate("case", 1 if x is None else len(x)):
            chosen = [self._choice(number, self.uniform) for number in range(self.latents)]
            law = self.likelihood.distribution(self.decoder(join(*chosen)), there)
            pyro.sample("x", law, obs=x if x is None else filled(x, there))

    def guide(self, x: Tensor) -> None:
        """Every choice given "x", independently."""
        with pyro.plate("case", len(x)):
            code = self.encoder(filled(x, known(x)))
            for number, logits in enumerate(code.chunk(self.latents, -1)):
                self._choice(number, logits)

    def _choice(self, number: int, logits: Tensor) -> Tensor:
        """One choice as weights of the states, (..., states)."""
        if self.temperature is not None:
            relaxed = dist.RelaxedOneHotCategorical(self.temperature, logits=logits)
            return pyro.sample(f"z{number}", relaxed)
        law = dist.Categorical(logits=logits)
        state = pyro.sample(f"z{number}", law, infer={"enumerate": "parallel"})
        return self.codes[state.long()]
