"""A Bayesian neural network: a PyroModule with one hidden layer.

Source: Neal, Bayesian Learning for Neural Networks (1996), chapter 2: weights of a layer share
a scale, and output weights shrink with the width. The likelihood does not tell hidden units
apart, nor a unit from its mirror image, so that only predictions are to be looked at.
Chains agree on these, seldom on all weights.
Data: 40 noisy values of a curve with a gap in the middle, made here (seed 1996).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule, PyroSample

from probgen import NUTS

WIDTH = 8
method = NUTS(target_accept=0.95)


class Network(PyroModule):
    """Two linear layers with a tanh between them, all weights normal."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = PyroModule[torch.nn.Linear](1, width)
        self.hidden.weight = PyroSample(dist.Normal(0.0, 2.0).expand([width, 1]).to_event(2))
        self.hidden.bias = PyroSample(dist.Normal(0.0, 2.0).expand([width]).to_event(1))
        self.output = PyroModule[torch.nn.Linear](width, 1)
        scale = 1.5 / width**0.5
        self.output.weight = PyroSample(dist.Normal(0.0, scale).expand([1, width]).to_event(2))
        self.output.bias = PyroSample(dist.Normal(0.0, 1.0).expand([1]).to_event(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values at inputs of shape (point,)."""
        return self.output(torch.tanh(self.hidden(x.unsqueeze(-1)))).squeeze(-1)


network = Network(WIDTH)


def bayesian_neural_network(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`, `y`: inputs and values, shape (point,)."""
    sigma = pyro.sample("sigma", dist.HalfNormal(0.5))
    values = network(x)
    with pyro.plate("point", len(x)):
        mean = pyro.deterministic("mean", values, event_dim=0)
        pyro.sample("y", dist.Normal(mean, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 40 points."""
    generator = torch.Generator().manual_seed(1996)
    x = torch.cat([torch.linspace(-2, -0.6, 20), torch.linspace(0.6, 2, 20)]).double()
    noise = torch.randn(len(x), generator=generator, dtype=torch.float64)
    return {"x": x, "y": torch.sin(2.0 * x) + 0.3 * x + 0.15 * noise}
