"""A Boltzmann machine in layers, as a Pyro program whose joint density is given by its energy.

Neighbouring layers are joined, units within a layer are not; two layers make a restricted
Boltzmann machine (Smolensky 1986), more a deep one (Salakhutdinov & Hinton 2009):

    E(x) = sum_layers E_l(x_l) - sum_l s_l(x_l)' W_l s_{l+1}(x_{l+1})

with E = -b'x of discrete units, E = sum (x - b)^2 / 2 var of Gaussian ones, and s(x) = x, or
x / var of Gaussian units, so that a Gaussian unit's conditional mean is b + W s(h).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pyro
import torch
from torch import Tensor, nn

from probgen.errors import ModelError
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream

__all__ = ["BoltzmannMachine"]


class BoltzmannMachine(Layered):
    """Layers of units, each joined to the next; layer 0 is the visible one.

    Parameters: `biases[l]` (width of layer l), `weights[l]` (width l, width l + 1) and
    `log_variance` (width of the Gaussian units of layer 0). States are lists of tensors
    (batch, width), one per layer.

    Args:
        layers: two or more; each a block of units, or a sequence of blocks.
        weight_scale: standard deviation of the first weights (Hinton 2012: 0.01).
        seed: of the first weights; biases and log variances start at 0.

    Raises `ModelError` for less than two layers, a name given twice, and Gaussian units above
    the visible layer.

    """

    def __init__(
        self,
        layers: Sequence[Sequence[Units] | Units],
        weight_scale: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__(layers)
        widths, stream = self.widths, Stream(seed)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)
        self.weights = nn.ParameterList(
            nn.Parameter(weight_scale * torch.randn(low, high, generator=stream.generator()))
            for low, high in pairwise(widths)
        )
        gaussian = sum(units.size for units in self.layers[0] if units.kind == "gaussian")
        self.log_variance = nn.Parameter(torch.zeros(gaussian))

    def variances(self, layer: int) -> Tensor | None:
        """Variances of a layer's numbers, 1 of discrete units; None without Gaussian units."""
        if layer or not len(self.log_variance):
            return None
        gaussian, parts = self.log_variance.exp(), []
        for units in self.layers[0]:
            if units.kind == "gaussian":
                own, gaussian = gaussian[: units.size], gaussian[units.size :]
                parts.append(own)
            else:
                parts.append(torch.ones(units.width, dtype=gaussian.dtype, device=gaussian.device))
        return torch.cat(parts)

    # Energies, in nats.

    def energy(self, states: Sequence[Tensor]) -> Tensor:
        """Energy of complete states, (batch,)."""
        total, below = self.own_energy(0, states[0]), self.signal(0, states[0])
        for layer, weight in enumerate(self.weights, start=1):
            pairs = ((below @ weight) * states[layer]).sum(-1)
            total = total + self.own_energy(layer, states[layer]) - pairs
            below = states[layer]  # its own signal: discrete
        return total

    def own_energy(self, layer: int, state: Tensor) -> Tensor:
        """A layer's energy without couplings, nats, (batch,)."""
        energy, start, variance = state.new_zeros(state.shape[:-1]), 0, self.variances(layer)
        for units, part in self.parts(layer, state):
            stop = start + units.width
            bias = self.biases[layer][start:stop]
            if units.kind == "gaussian":
                assert variance is not None
                energy = energy + ((part - bias) ** 2 / (2 * variance[start:stop])).sum(-1)
            else:
                energy = energy - part @ bias
            start = stop
        return energy

    def free_energy(self, visible: Tensor) -> Tensor:
        """-log of the sum of exp(-E) over the hidden layer of a two-layer machine, (batch,).

        -F is log p(visible) + log Z, nats. Raises `ModelError` for deep machines, whose hidden
        layers cannot be summed out one case at a time.
        """
        if len(self.layers) > 2:
            raise ModelError(
                f"The free energy of {len(self.layers)} layers has no closed form: it is that of "
                "a restricted machine (two layers). Use energy(), or a bound of the likelihood."
            )
        activation = self.biases[1] + self.signal(0, visible) @ self.weights[0]
        return self.own_energy(0, visible) - self.log_partition(1, activation)

    # Conditional distributions.

    def signal(self, layer: int, state: Tensor) -> Tensor:
        """What a layer's neighbours see of it: its state, Gaussian units over their variance."""
        variance = self.variances(layer)
        return state if variance is None else state / variance

    def activation(self, layer: int, states: Sequence[Tensor | None]) -> Tensor:
        """Natural parameter of a layer given its neighbours' states, (batch, width)."""
        total: Tensor = self.biases[layer]
        if layer > 0:
            low = states[layer - 1]
            assert low is not None
            total = total + self.signal(layer - 1, low) @ self.weights[layer - 1]
        if layer + 1 < len(self.layers):
            high = states[layer + 1]
            assert high is not None
            total = total + self.signal(layer + 1, high) @ self.weights[layer].T
        return total

    def log_partition(self, layer: int, activation: Tensor) -> Tensor:
        """Log of the sum over a layer's discrete states, nats, (batch,)."""
        parts = [u.log_partition(part) for u, part in self.parts(layer, activation)]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def mean(self, layer: int, activation: Tensor) -> Tensor:
        """Expected state of a layer given its activation."""
        return torch.cat([u.mean(part) for u, part in self.parts(layer, activation)], -1)

    def draw(self, layer: int, activation: Tensor, stream: Stream) -> Tensor:
        """A state of a layer given its activation."""
        variance = self.variances(layer)
        scale = None if variance is None else variance.sqrt()
        drawn, start = [], 0
        for units, part in self.parts(layer, activation):
            own = None if scale is None else scale[start : start + units.width]
            drawn.append(units.draw(part, stream, own))
            start += units.width
        return torch.cat(drawn, -1)

    # The Pyro program.

    def forward(self, **observed: Tensor) -> dict[str, Tensor]:
        """The joint density as a program: a flat site for every block of units, and the energy.

        `observed` are the values of sites by name, (batch, size) each; sites without values are
        latent. The density is not normalised.
        """
        batch = next((len(value) for value in observed.values()), 1)
        values: dict[str, Tensor] = {}
        with pyro.plate("case", batch):
            for layer in self.layers:
                for units in layer:
                    given = observed.get(units.name)
                    base = units.base(self.biases[0]).expand([batch])
                    values[units.name] = pyro.sample(units.name, base, obs=given)
            states = [self.encode(number, values) for number in range(len(self.layers))]
            pyro.factor("energy", -self.energy(states))
        return values
