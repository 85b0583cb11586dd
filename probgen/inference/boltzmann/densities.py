"""Log densities of states: the scalars that chains of a large machine are judged by."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from probgen.inference.boltzmann.layout import Layout

__all__ = ["densities"]


def densities(layout: Layout, states: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of every row, nats, (row,) each.

    `log_joint` is minus the energy (the machine is not normalised); `free_energy`, of restricted
    machines whose hidden units are all free, is -log of the sum over these.
    """
    machine = layout.machine
    hidden_given = layout.clamp is not None and 1 in layout.clamp
    if len(states) != 2 or hidden_given or not all(u.discrete for u in machine.layers[1]):
        return {"log_joint": -machine.energy(states)}
    activation = machine.activation(1, states)  # one product with the weights serves both
    own = machine.own_energy(0, states[0])
    return {
        "log_joint": (activation * states[1]).sum(-1) - own,
        "free_energy": own - machine.log_partition(1, activation),
    }
