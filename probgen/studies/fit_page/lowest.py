"""The machine that joins the visible layer to the first hidden one."""

from __future__ import annotations

from typing import cast

from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["lowest"]


def lowest(machine: Layered) -> BoltzmannMachine:
    """The machine itself, or the lowest one of a deep belief network."""
    if isinstance(machine, BeliefNetwork):
        return machine.machines[0]
    return cast(BoltzmannMachine, machine)
