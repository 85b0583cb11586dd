"""Discrete machines as continuous programs: the Gaussian relaxation.

The pairwise couplings J of all units (0 or 1 each; one-hot codes of categorical ones) are made
positive definite by a diagonal d, which changes the energy linearly since s^2 = s, and written
as A = J + d I = L L'. With standard normal z,

    p(z, s) ~ N(z; 0, I) exp(s'L z + (b - d/2)'s)

has the machine's law as its marginal over s. The units are independent given z, and z has the
density N(z; 0, I) times a product over the units, which HMC can sample.

Source: Zhang, Sutton, Storkey & Ghahramani (2012), "Continuous relaxations for discrete
Hamiltonian Monte Carlo", NIPS; here with whitened z, and d the same for all units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = ["Relaxed", "relaxed_program"]

_SMALLEST = 1e-10
"""Eigenvalues of the coupling below this share of the largest one are 0."""


def relaxed_program(
    machine: BoltzmannMachine,
    clamp: Mapping[int, tuple[Tensor, Tensor]] | None = None,
    rows: int = 1,
) -> Relaxed:
    """The Gaussian relaxation of a machine of discrete units.

    Args:
        machine: its parameters are copied (as float64).
        clamp: layer -> (mask, values), (rows, width) each: numbers of states that are known.
        rows: how many independent copies; as many as `clamp` has rows, if given.

    Raises `ModelError` for Gaussian units.

    """
    return Relaxed(machine, clamp or {}, rows)


class Relaxed:
    """A Pyro program with one latent site z, (rows, dimension), in a plate "case".

    Its evidence is the machine's normalising constant, summed over the free units.
    """

    def __init__(
        self,
        machine: BoltzmannMachine,
        clamp: Mapping[int, tuple[Tensor, Tensor]],
        rows: int,
    ) -> None:
        for units in (units for layer in machine.layers for units in layer):
            if not units.discrete:
                raise ModelError(
                    f"The units {units.name!r} are Gaussian: the relaxation is of discrete ones. "
                    "Sample the marginal density of the Gaussian units instead."
                )
        self.machine = machine
        self.rows = next((len(mask) for mask, _ in clamp.values()), rows)
        self.clamp = clamp
        coupling = _couplings(machine)
        scale, vectors = torch.linalg.eigh(coupling)
        shift = -scale[0]  # the smallest; negative, as the diagonal is 0
        kept = scale + shift > _SMALLEST * (scale[-1] + shift)
        self.loadings = vectors[:, kept] * (scale[kept] + shift).sqrt()
        bias = torch.cat([each.detach().double() for each in machine.biases])
        self.offset = bias - shift / 2

    @property
    def dimension(self) -> int:
        """Width of z."""
        return self.loadings.shape[1]

    def __call__(self) -> Tensor:
        """The program: z standard normal, times what the units sum to given z."""
        like = self.loadings
        with pyro.plate("case", self.rows):
            normal = dist.Normal(like.new_zeros(()), like.new_ones(()))
            z = pyro.sample("z", normal.expand([self.rows, self.dimension]).to_event(1))
            pyro.factor("units", self.log_factor(z))
        return z

    def log_factor(self, z: Tensor) -> Tensor:
        """Log of the sum over the units' states given z, nats, (rows,)."""
        total = z.new_zeros(z.shape[:-1])
        for layer, activation in enumerate(self.activations(z)):
            known, given = self._known(layer, activation)
            start = 0
            for units, part in self.machine.parts(layer, activation):
                columns, step = slice(start, start + units.width), units.width // units.size
                each = units.log_partitions(part)
                if known is not None:
                    fixed = (part * given[..., columns]).unflatten(-1, (units.size, step)).sum(-1)
                    each = torch.where(known[..., columns][..., ::step], fixed, each)
                total = total + each.sum(-1)
                start += units.width
        return total

    def activations(self, z: Tensor) -> list[Tensor]:
        """Natural parameters of every layer's units given z, (rows, width) each."""
        return list((z @ self.loadings.T + self.offset).split(self.machine.widths, -1))

    def states(self, z: Tensor, stream: Stream) -> list[Tensor]:
        """States drawn given z, as the machine has them: those of draws of z have its law."""
        drawn = []
        for layer, activation in enumerate(self.activations(z)):
            known, given = self._known(layer, activation)
            state = self.machine.draw(layer, activation, stream)
            state = state if known is None else torch.where(known, given, state)
            drawn.append(state.to(self.machine.dtype))
        return drawn

    def positions(self, states: Sequence[Tensor], stream: Stream) -> Tensor:
        """z drawn given discrete states, (rows, dimension): where chains may start."""
        mean = torch.cat([state.to(self.loadings) for state in states], -1) @ self.loadings
        random = stream.generator(mean.device)
        return mean + torch.empty_like(mean).normal_(generator=random)

    def _known(self, layer: int, like: Tensor) -> tuple[Tensor | None, Tensor]:
        mask, given = self.clamp.get(layer, (None, like))
        return mask, given.to(like)


def _couplings(machine: BoltzmannMachine) -> Tensor:
    """The symmetric matrix of all weights: minus its half form is the energy's pair part."""
    size = sum(machine.widths)
    matrix = torch.zeros(size, size, dtype=torch.float64, device=machine.device)
    start = 0
    for weight in machine.weights:
        low, high = weight.shape
        place = slice(start, start + low), slice(start + low, start + low + high)
        matrix[place] = weight.detach().double()
        matrix.T[place] = weight.detach().double()
        start += low
    return matrix
