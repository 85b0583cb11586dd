"""All states of a small machine, listed: of every other layer, the rest summed in closed form.

Given the listed layers, the units of those between are independent, Gaussian ones too. Listed are
the free units of the even layers or of the odd ones, whichever have fewer states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from probgen.inference.boltzmann.layout import Layout
from probgen.nets.boltzmann.listing import digits, radix, smaller_side
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream

__all__ = ["ListedCase"]

_MOST = 20.0
"""Log2 of the most states that are listed."""
_BLOCK_NUMBERS = 1 << 22


class ListedCase:
    """The states of one case and their probabilities; `log_partition` is the log of the sum of
    exp(-E) over them, nats.

    Raises `TooLargeError` when there are too many.
    """

    def __init__(self, layout: Layout, case: int) -> None:
        self._machine, self._case, self._layout = layout.machine, case, layout
        self._free = {units.name: layout.free(units)[case] for _, units in layout.sites}
        count = {name: int(free.sum()) for name, free in self._free.items()}
        self._listed, self._between = smaller_side(
            self._machine,
            most=_MOST,
            count=lambda units: count[units.name],
            cure="take Gibbs(), or ParallelTempering()",
        )
        self._radices = [
            radix(units)
            for layer in self._listed
            for units in self._machine.layers[layer]
            for _ in range(count[units.name])
        ]
        self._states = math.prod(self._radices)
        log = torch.cat([self._log_sum(states) for states in self._blocks()])
        self.log_partition = float(log.logsumexp(0))
        self._probabilities = (log - self.log_partition).exp()

    def means(self) -> list[Tensor]:
        """Mean state of every layer, (width,)."""
        total = [torch.zeros(width).double() for width in self._machine.widths]
        start = 0
        for states in self._blocks():
            weights = self._probabilities[start : start + len(states[self._listed[0]])]
            start += len(weights)
            for own, state in zip(total, self._filled(states), strict=True):
                own += weights @ state
        return total

    def draws(self, count: int, stream: Stream) -> list[Tensor]:
        """Independent states, (count, width) of every layer."""
        random = torch.rand(count, generator=stream.generator(), dtype=torch.float64)
        below = self._probabilities.cumsum(0)
        numbers = torch.searchsorted(below, random * below[-1]).clamp(max=len(below) - 1)
        return self._filled(self._numbered(numbers), stream)

    def _blocks(self) -> Iterator[list[Tensor]]:
        """All states of the listed layers, block by block."""
        rows = max(1, _BLOCK_NUMBERS // max(self._machine.widths))
        for start in range(0, self._states, rows):
            yield self._numbered(torch.arange(start, min(start + rows, self._states)))

    def _numbered(self, numbers: Tensor) -> list[Tensor]:
        """The states of these numbers; layers between hold nothing yet."""
        found = [torch.zeros(len(numbers), width).double() for width in self._machine.widths]
        columns, place = digits(numbers, self._radices).double(), 0
        for layer in self._listed:
            values = {}
            for units in self._machine.layers[layer]:
                given = np.nan_to_num(self._layout.evidence.of(units)[self._case])
                values[units.name] = torch.from_numpy(given).repeat(len(numbers), 1)
                free = torch.from_numpy(self._free[units.name])
                stop = place + int(free.sum())
                values[units.name][:, free] = columns[:, place:stop]
                place = stop
            found[layer] = self._machine.encode(layer, values).double()
        return found

    def _filled(self, states: Sequence[Tensor], stream: Stream | None = None) -> list[Tensor]:
        """States whose layers between are drawn given the listed ones, or at their means."""
        found = list(states)
        for layer in self._between:
            activation = self._machine.activation(layer, states)
            if stream is None:
                found[layer] = self._machine.mean(layer, activation)
            else:
                found[layer] = self._machine.draw(layer, activation, stream)
            clamp = (self._layout.clamp or {}).get(layer)
            if clamp is not None:
                mask, given = (each[self._case] for each in clamp)
                found[layer] = torch.where(mask, given, found[layer])
        return found

    def _log_sum(self, states: Sequence[Tensor]) -> Tensor:
        """Log of the sum of exp(-E) over the layers between, (row,), nats.

        It is -E(x) - log p(x | listed) at any x, here the means: both are linear in x, or
        quadratic in the same way.
        """
        filled = self._filled(states)
        total = -self._machine.energy(filled)
        for layer in self._between:
            activation, start = self._machine.activation(layer, states), 0
            variances = self._machine.variances(layer)
            for units in self._machine.layers[layer]:
                place = slice(start, start + units.width)
                start += units.width
                own = None if variances is None else variances[place]
                log = _log_density(units, activation[:, place], filled[layer][:, place], own)
                total = total - log[:, torch.from_numpy(self._free[units.name])].sum(1)
        return total


def _log_density(
    units: Units, activation: Tensor, state: Tensor, variance: Tensor | None
) -> Tensor:
    """Log density of every unit of a site given its activation, (row, unit)."""
    if units.kind == "bernoulli":
        return state * activation - torch.nn.functional.softplus(activation)
    if units.kind == "gaussian":
        assert variance is not None
        scaled = (state - activation) ** 2 / variance
        return -0.5 * (scaled + (2 * math.pi * variance).log())
    shape = (units.size, units.states)
    own, logits = state.unflatten(-1, shape), activation.unflatten(-1, shape)
    return (own * logits).sum(-1) - logits.logsumexp(-1)
