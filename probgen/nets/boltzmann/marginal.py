"""Gaussian machines as continuous programs: the visible units alone, the hidden ones summed out.

The density of the visible units is exp(-F), F the free energy: a mixture of Gaussians with one
component for every state of the hidden layer. HMC can sample it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = ["Marginal", "marginal_program"]


def marginal_program(
    machine: BoltzmannMachine,
    clamp: Mapping[int, tuple[Tensor, Tensor]] | None = None,
    rows: int = 1,
) -> Marginal:
    """The density of the Gaussian visible units of a restricted machine, not normalised.

    Args:
        machine: of two layers; its parameters are copied (as float64).
        clamp: {0: (mask, values)}, (rows, width) each: numbers of visible states that are known.
        rows: how many independent copies; as many as `clamp` has rows, if given.

    Raises `ModelError` for deep machines, known hidden units, free discrete visible units, and
    when nothing is free.

    """
    clamp = clamp or {}
    if len(machine.layers) > 2 or set(clamp) - {0}:
        raise ModelError(
            "The density of the visible units alone is that of a restricted machine (two layers) "
            "whose hidden units are all unknown. Use Gibbs()."
        )
    rows = next((len(mask) for mask, _ in clamp.values()), rows)
    shape = (rows, machine.widths[0])
    nothing = torch.zeros(shape, dtype=torch.bool, device=machine.device)
    known, given = clamp.get(0, (nothing, torch.zeros(shape, device=machine.device)))
    for units, free in machine.parts(0, ~known):
        if units.discrete and free.any():
            raise ModelError(
                f"The units {units.name!r} are visible, discrete and unknown: there is no density "
                "to sample. Observe them, or use Gibbs()."
            )
    if known.all():
        raise ModelError("Every visible unit is known: there is nothing to sample.")
    return Marginal(machine, known, given)


class Marginal:
    """A Pyro program with one latent site v: the free visible numbers, row by row, (dimension,).

    Its log density is minus the free energy, summed over rows.
    """

    def __init__(self, machine: BoltzmannMachine, known: Tensor, given: Tensor) -> None:
        self.dtype = machine.dtype
        self.machine = copy.deepcopy(machine).double().requires_grad_(False)
        self.free, self.given = ~known, given

    @property
    def dimension(self) -> int:
        """Free numbers of all rows."""
        return int(self.free.sum())

    def __call__(self) -> Tensor:
        """The program: a flat site, and the free energy of every row."""
        like = self.machine.biases[0]
        flat = dist.Normal(like.new_zeros(()), like.new_ones(()))
        flat = flat.expand([self.dimension]).to_event(1).mask(False)
        v = pyro.sample("v", flat)
        pyro.factor("free_energy", -self.machine.free_energy(self.visible(v)).sum())
        return v

    def visible(self, v: Tensor) -> Tensor:
        """States of the visible layer, known and free numbers together, (rows, width)."""
        return self.given.to(v).masked_scatter(self.free, v)

    def states(self, v: Tensor, stream: Stream) -> list[Tensor]:
        """States of both layers as the machine has them, the hidden one drawn given the other."""
        visible = self.visible(v)
        hidden = self.machine.draw(1, self.machine.activation(1, [visible, None]), stream)
        return [visible.to(self.dtype), hidden.to(self.dtype)]

    def positions(self, visible: Tensor) -> Tensor:
        """The free numbers of visible states, (dimension,): where chains may start."""
        return visible[self.free]
