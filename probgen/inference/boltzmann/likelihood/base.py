"""Biases of the base-rate machine at which a path begins.

The nearer the base is to the machine the smaller the error; the base rates of the data are the
usual choice (Salakhutdinov & Murray 2008). Layers above the first begin with biases of zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

__all__ = ["base_biases", "named_base"]

_UNIFORM_SHARE = 0.01


def named_base(base: str, visible: Tensor | None) -> str:
    """Which base is meant: "auto" is "data" where there are some, else "fields"."""
    if base in ("prior", "guide"):
        raise OptionError(
            f"AnnealedImportance(base={base!r}) is for programs with latent sites: Boltzmann "
            "machines take 'data', 'fields' or 'uniform'."
        )
    if base == "data" and visible is None:
        raise OptionError(
            "AnnealedImportance(base='data') needs data: log_partition(machine, method, data=x)."
        )
    if base == "auto":
        return "fields" if visible is None else "data"
    return base


def base_biases(
    machine: BoltzmannMachine, base: str, visible: Tensor | None = None, hidden: bool = False
) -> list[Tensor]:
    """Biases of all layers. "data": rates of the states `visible`, each value counted once more;
    "fields": the machine's own visible biases, mixed with a hundredth of uniform; "uniform".

    With `hidden` and "data", layer 1 begins at its mean given the data, mixed with uniform: where
    its biases are large, as those of pixels at the top of a belief network, zero is far away.
    """
    biases = [torch.zeros_like(bias.detach()) for bias in machine.biases]
    parts, start = [], 0
    for units in machine.layers[0]:
        place = slice(start, start + units.width)
        own = machine.biases[0].detach()[place]
        if base == "data":
            assert visible is not None
            parts.append(_rates(units, visible[:, place].to(own.dtype)))
        else:
            parts.append(own if base == "fields" or not units.discrete else 0 * own)
            if base == "fields" and units.discrete:
                parts[-1] = _mixed(units, units.mean(own))
        start = place.stop
    if hidden and base == "data":
        assert visible is not None
        states = visible.to(machine.dtype)
        means = machine.mean(1, machine.activation(1, [states, None])).detach().mean(0)
        split = means.split([units.width for units in machine.layers[1]])
        mixed = [_mixed(u, mean) for u, mean in zip(machine.layers[1], split, strict=True)]
        biases[1] = torch.cat(mixed)
    return [torch.cat(parts), *biases[1:]]


def _rates(units: Units, states: Tensor) -> Tensor:
    """Biases under which the mean state is that of `states`, nearly."""
    if units.kind == "gaussian":
        return states.mean(0)
    on = states.sum(0) + 1
    if units.kind == "categorical":
        return on.log()
    return on.log() - (len(states) + 2 - on).log()


def _mixed(units: Units, mean: Tensor) -> Tensor:
    """Biases of units of these means, mixed with a little uniform."""
    share = _UNIFORM_SHARE
    if units.kind == "categorical":
        return ((1 - share) * mean + share / units.states).log()
    return torch.logit((1 - share) * mean + share / 2)
