"""Deep belief network: a restricted Boltzmann machine on top, directed layers below it.

With layers h0 = v, h1, ..., hT (Hinton, Osindero & Teh 2006):

    p(v, h1, ..., hT) = p_RBM(h(T-1), hT) prod_{l < T-1} p(h_l | h_(l+1))

Recognition goes up: q(h_(l+1) | h_l). Every two neighbouring layers are held as a restricted
machine: its couplings and low biases are those of the directed layer (of the top machine: all
are its own), its high biases those of recognition. Recognition has couplings of its own, which
greedy learning keeps equal to the others, and up-down learning does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

import pyro
import torch
from torch import Tensor, nn

from probgen.errors import ModelError
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream

__all__ = ["BeliefNetwork"]


class BeliefNetwork(Layered):
    """Three or more layers of units; layer 0 is the visible one.

    Parameters: `machines[l]` joins layers l and l + 1, the last one is the undirected top;
    `recognition[l]` (width l, width l + 1) of the directed layers. States are lists of tensors
    (batch, width), one per layer.

    Args:
        layers: blocks of units; those above layer 0 are discrete.
        weight_scale: standard deviation of the first weights, drawn from `seed`.
        seed: any integer.

    Raises `ModelError` for fewer than three layers, and for units that cannot be hidden.

    Example:
        >>> BeliefNetwork([Units("x", 6), Units("h1", 4), Units("h2", 3)])
        BeliefNetwork(x: 6 bernoulli - h1: 4 bernoulli - h2: 3 bernoulli; 77 parameters)

    """

    def __init__(
        self,
        layers: Sequence[Sequence[Units] | Units],
        weight_scale: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(layers)
        if len(self.layers) < 3:
            raise ModelError(
                "A deep belief network has three or more layers; two make a restricted Boltzmann "
                "machine (probgen.models.rbm)."
            )
        self.stack = nn.ModuleList(
            BoltzmannMachine(pair, weight_scale, seed + number)
            for number, pair in enumerate(pairwise(self.layers))
        )
        self.recognition = nn.ParameterList(
            nn.Parameter(machine.weights[0].detach().clone()) for machine in self.directed
        )

    @property
    def machines(self) -> list[BoltzmannMachine]:
        """The restricted machines of neighbouring layers; the parameters are in `stack`."""
        return cast(list[BoltzmannMachine], list(self.stack))

    @property
    def top(self) -> BoltzmannMachine:
        """The undirected machine of the two highest layers."""
        return self.machines[-1]

    @property
    def directed(self) -> list[BoltzmannMachine]:
        """Machines whose couplings are used downwards only."""
        return self.machines[:-1]

    @property
    def data_sites(self) -> list[str]:
        """Sites that data are values of."""
        return [units.name for units in self.layers[0]]

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return self.recognition[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.recognition[0].device

    # Between neighbouring layers.

    def down(self, layer: int, above: Tensor) -> Tensor:
        """Activation of a directed layer given the one above it, (batch, width)."""
        return self.directed[layer].activation(0, [None, above])

    def up(self, layer: int, below: Tensor) -> Tensor:
        """Activation of `layer` by recognition from the one below it, (batch, width)."""
        machine = self.machines[layer - 1]
        if layer == len(self.layers) - 1:
            return machine.activation(1, [below, None])
        return machine.biases[1] + machine.signal(0, below) @ self.recognition[layer - 1]

    def log_down(self, layer: int, state: Tensor, above: Tensor) -> Tensor:
        """log p(h_layer | h_(layer + 1)), nats, (batch,)."""
        return log_law(self.directed[layer], 0, self.down(layer, above), state)

    def log_up(self, layer: int, state: Tensor, below: Tensor) -> Tensor:
        """log q(h_layer | h_(layer - 1)), nats, (batch,)."""
        return log_law(self.machines[layer - 1], 1, self.up(layer, below), state)

    # Whole passes.

    def recognise(self, visible: Tensor, stream: Stream, to: int | None = None) -> list[Tensor]:
        """States of layers 0 to `to` (the highest directed one's parent), drawn going up."""
        states = [visible]
        for layer in range(1, (len(self.layers) - 2 if to is None else to) + 1):
            states.append(self.machines[layer - 1].draw(1, self.up(layer, states[-1]), stream))
        return states

    def descend(self, state: Tensor, stream: Stream) -> list[Tensor]:
        """States of the layers below the top machine, drawn going down from its low layer."""
        states = [state]
        for layer in reversed(range(len(self.layers) - 2)):
            drawn = self.directed[layer].draw(0, self.down(layer, states[0]), stream)
            states.insert(0, drawn)
        return states

    def log_joint(self, states: Sequence[Tensor]) -> Tensor:
        """log p of all layers but the highest, which is summed out, plus log Z of the top
        machine, nats, (batch,); `states` end below the highest layer.
        """
        total = -self.top.free_energy(states[-1])
        for layer in range(len(self.layers) - 2):
            total = total + self.log_down(layer, states[layer], states[layer + 1])
        return total

    # The Pyro program.

    def forward(self, **observed: Tensor) -> dict[str, Tensor]:
        """The joint density as a program; that of the top machine is not normalised.

        `observed` are the values of sites by name, (batch, size) each; the rest are latent.
        """
        batch = next((len(value) for value in observed.values()), 1)
        values: dict[str, Tensor] = {}
        top = len(self.layers) - 1
        with pyro.plate("case", batch):
            for layer in (top, top - 1):
                for units in self.layers[layer]:
                    base = units.base(self.top.biases[0]).expand([batch])
                    values[units.name] = pyro.sample(
                        units.name, base, obs=observed.get(units.name)
                    )
            states = [self.encode(layer, values) for layer in (top - 1, top)]
            pyro.factor("energy", -self.top.energy(states))
            state = states[0]
            for layer in reversed(range(top - 1)):
                for units, activation, scale in self._laws(layer, self.down(layer, state)):
                    law = units.law(activation, scale)
                    values[units.name] = pyro.sample(units.name, law, obs=observed.get(units.name))
                state = self.encode(layer, values)
        return values

    def _laws(
        self, layer: int, activation: Tensor
    ) -> Iterator[tuple[Units, Tensor, Tensor | None]]:
        """Blocks of a layer with their activations and deviations."""
        variance, start = self.directed[layer].variances(0), 0
        for units, part in self.parts(layer, activation):
            stop = start + units.width
            yield units, part, None if variance is None else variance[start:stop].sqrt()
            start = stop


def log_law(machine: BoltzmannMachine, layer: int, activation: Tensor, state: Tensor) -> Tensor:
    """Log density of a layer's state given its activation, nats, (batch,)."""
    variance, start = machine.variances(layer), 0
    total = activation.new_zeros(activation.shape[:-1])
    for (units, part), (_, own) in zip(
        machine.parts(layer, activation), machine.parts(layer, state), strict=True
    ):
        stop = start + units.width
        if units.discrete:
            total = total + (part * own).sum(-1) - units.log_partition(part)
        else:
            assert variance is not None
            spread = variance[start:stop]
            off = (own - part) ** 2 / spread + (2 * math.pi * spread).log()
            total = total - 0.5 * off.sum(-1)
        start = stop
    return total
