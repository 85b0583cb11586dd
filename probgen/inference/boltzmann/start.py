"""Over-dispersed states to start chains from."""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.inference.boltzmann.layout import Layout
from probgen.nets.boltzmann.block import draw_layer
from probgen.nets.stream import Stream

__all__ = ["starting_states"]


@torch.no_grad()
def starting_states(layout: Layout, stream: Stream, copies: int = 1) -> list[Tensor]:
    """States of every row, `copies` times over; clamped numbers are as given.

    Every row switches its units on at a rate of its own, uniform on (0, 1), so that rows begin
    in different modes where there are some; the visible layer is then drawn given its neighbour.
    """
    machine, rows = layout.machine, layout.rows * copies
    like = machine.biases[0]
    random = stream.generator(like.device)
    rate = torch.empty(rows, 1, dtype=like.dtype, device=like.device).uniform_(generator=random)
    odds = torch.logit(rate, 1e-3)
    states = [
        machine.draw(layer, odds.expand(rows, width), stream)
        for layer, width in enumerate(machine.widths)
    ]
    states[0] = draw_layer(machine, 0, states, stream)
    for layer, (mask, given) in (layout.clamp or {}).items():
        again = (copies, 1)
        states[layer] = torch.where(mask.repeat(again), given.repeat(again), states[layer])
    return states
