"""A classifier that begins as the recognition of a deep belief network (Hinton et al. 2006).

Means go up through the layers, the top machine's hidden one included, to a linear classifier.
All weights are copies, to be fine-tuned; a network fresh from its constructor gives the same
classifier from a random start.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.errors import ModelError
from probgen.nets.boltzmann.belief import BeliefNetwork

__all__ = ["RecognitionClassifier"]


class RecognitionClassifier(PyroModule):
    """Logits of `classes` from visible states; a Pyro program of the label "y" given "x".

    Raises `ModelError` for networks with other hidden units than binary ones.
    """

    def __init__(self, network: BeliefNetwork, classes: int) -> None:
        super().__init__()
        if any(units.kind != "bernoulli" for layer in network.layers[1:] for units in layer):
            raise ModelError("A recognition classifier needs binary hidden units.")
        weights = [*network.recognition, network.top.weights[0]]
        self.layers = nn.ModuleList()
        for number, weight in enumerate(weights):
            linear = nn.Linear(*weight.shape)
            machine, scaled = network.machines[number], weight.detach().clone()
            variance = machine.variances(0)
            if variance is not None:
                scaled /= variance.detach()[:, None]
            with torch.no_grad():
                linear.weight.copy_(scaled.T)
                linear.bias.copy_(machine.biases[1])
            self.layers.append(linear)
        self.head = nn.Linear(weights[-1].shape[1], classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    data_sites = ("x", "y")

    def logits(self, x: Tensor) -> Tensor:
        """(batch, width of the visible layer) -> (batch, classes)."""
        for linear in self.layers:
            x = torch.sigmoid(linear(x))
        return self.head(x)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The label given the visible layer, (batch, 1) as machines have it."""
        with pyro.plate("case", len(x)):
            law = dist.Categorical(logits=self.logits(x)[:, None, :]).to_event(1)
            return pyro.sample("y", law, obs=y)
