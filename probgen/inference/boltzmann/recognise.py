"""Telling Boltzmann machines from other models, without torch."""

from __future__ import annotations

from typing import Any

__all__ = ["is_belief_network", "is_discrete_machine", "is_machine"]

_MACHINE = ("probgen.nets.boltzmann.machine", "BoltzmannMachine")
_BELIEF = ("probgen.nets.boltzmann.belief", "BeliefNetwork")


def is_machine(model: Any) -> bool:
    """Whether `model` is a `BoltzmannMachine` (not the class)."""
    return _is_a(model, _MACHINE)


def is_belief_network(model: Any) -> bool:
    """Whether `model` is a `BeliefNetwork` (not the class)."""
    return _is_a(model, _BELIEF)


def is_discrete_machine(model: Any) -> bool:
    """Whether `model` is a Boltzmann machine without Gaussian units."""
    return is_machine(model) and all(u.discrete for layer in model.layers for u in layer)


def _is_a(model: Any, what: tuple[str, str]) -> bool:
    if isinstance(model, type):
        return False
    return any((kind.__module__, kind.__name__) == what for kind in type(model).__mro__)
