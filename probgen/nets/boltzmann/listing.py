"""Sums over all states of some discrete layers, in blocks, so that memory stays bounded.

Listed are the even layers or the odd ones, whichever have fewer states: given these, the layers
between are summed in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from probgen.errors import TooLargeError
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.sums import log_sum_between
from probgen.nets.boltzmann.units import Units

__all__ = [
    "LARGEST",
    "digits",
    "listed_states",
    "log_sum_listed",
    "radix",
    "smaller_side",
    "states_of",
]

LARGEST = 25.0
"""Log2 of the most states that are listed."""

_BLOCK_NUMBERS = 1 << 22

Count = Callable[[Units], int]
"""How many units of a block are listed."""


def radix(units: Units) -> int:
    """Number of states of each of a block of discrete units."""
    return units.states if units.kind == "categorical" else 2


def _all(units: Units) -> int:
    return units.size


def states_of(machine: Layered, layers: Sequence[int], count: Count = _all) -> float:
    """Log2 of the number of joint states of some layers; infinite with Gaussian units."""
    blocks = [(u, count(u)) for layer in layers for u in machine.layers[layer]]
    if any(number and not units.discrete for units, number in blocks):
        return math.inf
    return sum(number * math.log2(radix(units)) for units, number in blocks if number)


def smaller_side(
    machine: Layered,
    first: int = 0,
    most: float = LARGEST,
    count: Count = _all,
    cure: str = "estimate it by AnnealedImportance()",
) -> tuple[list[int], list[int]]:
    """Layers from `first` on to list, and those between them, whose sum has a closed form.

    Raises `TooLargeError`, which ends in `cure`, when neither the even nor the odd layers have
    at most 2^most states.
    """
    layers = len(machine.layers)
    sides = [list(range(first, layers, 2)), list(range(first + 1, layers, 2))]
    sizes = [states_of(machine, side, count) for side in sides]
    least = sizes.index(min(sizes))
    if sizes[least] <= most:
        return sides[least], sides[1 - least]
    raise TooLargeError(
        f"An exact sum over layers of {machine.widths[first:]} units would list "
        f"2^{min(sizes):.0f} states, at most 2^{most:.0f} are: {cure}."
    )


def log_sum_listed(
    machine: BoltzmannMachine,
    listed: Sequence[int],
    between: Sequence[int],
    given: Tensor | None = None,
) -> Tensor:
    """Log of the sum of exp(-E) over all states of `listed` and `between`, nats, float64.

    given: a state of layer 0 for every case, (cases, width), where layer 0 is not summed over;
    the result is (cases,), or (1,) without it.
    """
    cases = 1 if given is None else len(given)
    widest = max(machine.widths) * max(1, cases)
    total: Tensor | None = None
    for block in listed_states(machine, listed, max(1, _BLOCK_NUMBERS // widest)):
        rows = len(block[0]) if block else 1
        states: list[Tensor | None] = [None] * len(machine.layers)
        for layer, part in zip(listed, block, strict=True):
            states[layer] = part.repeat(cases, 1)
        if given is not None:
            states[0] = given.repeat_interleave(rows, 0)
        each = log_sum_between(machine, states, between).double()
        found = each.view(cases, rows).logsumexp(1)
        total = found if total is None else torch.logaddexp(total, found)
    assert total is not None
    return total


def listed_states(machine: Layered, layers: Sequence[int], rows: int) -> Iterator[list[Tensor]]:
    """All joint states of some discrete layers, up to `rows` at a time."""
    blocks = [units for layer in layers for units in machine.layers[layer]]
    radices = [radix(units) for units in blocks for _ in range(units.size)]
    count = math.prod(radices)
    for start in range(0, count, rows):
        numbers = torch.arange(start, min(start + rows, count), device=machine.device)
        values = dict(
            zip(
                [units.name for units in blocks],
                digits(numbers, radices).split([units.size for units in blocks], 1),
                strict=True,
            )
        )
        yield [machine.encode(layer, values).to(machine.dtype) for layer in layers]


def digits(numbers: Tensor, radices: Sequence[int]) -> Tensor:
    """The digits of numbers, the first the highest, (number, digit)."""
    strides = [math.prod(radices[place + 1 :]) for place in range(len(radices))]
    both = torch.tensor([strides, list(radices)], dtype=torch.int64, device=numbers.device)
    return numbers[:, None] // both[0] % both[1]
