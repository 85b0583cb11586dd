"""The path from a base-rate machine to a Boltzmann machine, for annealing.

At position s of the path stands a machine with weights s W and biases (1 - s) b0 + s b; its first
machine has no couplings. The odd layers are summed out (Salakhutdinov & Murray 2008, for two
layers; Salakhutdinov & Hinton 2009, for more), so particles are states of the even ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.sums import layer_energy, log_sum
from probgen.nets.stream import Stream

__all__ = ["Particles", "Path", "Rise"]

Particles = list[Tensor | None]
"""States of the even layers, (batch, width) each; None for the odd ones."""


@dataclass(frozen=True)
class Path:
    """The path that ends at `machine` and begins at independent units of biases `base`."""

    machine: BoltzmannMachine
    base: Sequence[Tensor]

    @property
    def log_base(self) -> float:
        """Log partition function of the base-rate machine, nats."""
        layers = enumerate(self.base)
        with torch.no_grad():
            found = [log_sum(self.machine, layer, b[None], b) for layer, b in layers]
        return float(torch.stack([part.double().sum() for part in found]).sum())

    def draw_base(self, count: int, stream: Stream) -> Particles:
        """Exact draws of the base-rate machine."""
        particles: Particles = [None] * len(self.base)
        for layer in self._kept:
            bias = self.base[layer].expand(count, -1)
            particles[layer] = self.machine.draw(layer, bias, stream)
        return particles

    def statistics(self, particles: Particles) -> Rise:
        """What the path needs to know of particles."""
        odd = range(1, len(self.base), 2)
        return Rise(self, particles, {k: self.machine.activation(k, particles) for k in odd})

    def sweep(self, rise: Rise, s: float, stream: Stream) -> Particles:
        """One block-Gibbs sweep from the particles of `rise`, invariant at position s."""
        states: Particles = [None] * len(self.base)
        for layer, activation in rise.activations.items():
            states[layer] = self.machine.draw(layer, self._mix(layer, activation, s), stream)
        new: Particles = [None] * len(self.base)
        for layer in self._kept:
            activation = self.machine.activation(layer, states)
            new[layer] = self.machine.draw(layer, self._mix(layer, activation, s), stream)
        return new

    def bias(self, layer: int, s: float) -> Tensor:
        """Biases of a layer at position s."""
        return self._mix(layer, self.machine.biases[layer], s)

    def _mix(self, layer: int, activation: Tensor, s: float) -> Tensor:
        """An activation at position s from the one at the end: it is linear in s."""
        return (1 - s) * self.base[layer] + s * activation

    @property
    def _kept(self) -> range:
        return range(0, len(self.base), 2)


@dataclass(frozen=True, eq=False)
class Rise:
    """The log density along the path at given particles; activations of the odd layers."""

    path: Path
    particles: Particles
    activations: dict[int, Tensor]

    def log_density(self, s: float) -> Tensor:
        """Unnormalised log density of the particles at position s, nats, (batch,) float64."""
        path, total = self.path, torch.zeros((), dtype=torch.float64)
        total = total.to(path.base[0].device)
        for layer in path._kept:
            state = self.particles[layer]
            assert state is not None
            energy = layer_energy(path.machine, layer, state, path.bias(layer, s))
            total = total - energy.double()
        for layer, activation in self.activations.items():
            mixed = path._mix(layer, activation, s)
            total = total + log_sum(path.machine, layer, mixed, path.bias(layer, s)).double()
        return total

    def step(self, start: float, stop: float) -> np.ndarray:
        """Log density at `stop` less that at `start`, (batch,)."""
        found: np.ndarray = (self.log_density(stop) - self.log_density(start)).cpu().numpy()
        return found
