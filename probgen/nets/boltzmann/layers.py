"""Layers of blocks of units: what a state of a machine is, whatever its energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.errors import ModelError
from probgen.nets.boltzmann.units import Units

__all__ = ["Layer", "Layered"]

Layer = tuple[Units, ...]


class Layered(PyroModule):
    """Blocks of units in layers; layer 0 is the visible one.

    Raises `ModelError` for less than two layers, a name given twice, and Gaussian or optional
    units above the visible layer.
    """

    biases: nn.ParameterList  # of the layers, which a machine makes

    def __init__(self, layers: Sequence[Sequence[Units] | Units]) -> None:
        super().__init__()
        self.layers: tuple[Layer, ...] = tuple(
            (layer,) if isinstance(layer, Units) else tuple(layer) for layer in layers
        )
        _check_layers(self.layers)

    @property
    def widths(self) -> list[int]:
        """Numbers that stand for a state of each layer."""
        return [sum(units.width for units in layer) for layer in self.layers]

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return self.biases[0].dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.biases[0].device

    def encode(self, layer: int, values: Mapping[str, Tensor]) -> Tensor:
        """The state of a layer from the values of its sites, (batch, size) each.

        Nothing is checked: values from outside go through `read_values` first.
        """
        dtype = self.dtype
        codes = [units.encode(values[units.name], dtype) for units in self.layers[layer]]
        return codes[0] if len(codes) == 1 else torch.cat(codes, -1)

    def decode(self, layer: int, state: Tensor) -> dict[str, Tensor]:
        """The values of a layer's sites."""
        return {u.name: u.decode(part) for u, part in self.parts(layer, state)}

    def absent(self, layer: int, state: Tensor) -> Tensor | None:
        """Which numbers of a state belong to optional units without a value, (batch, width).

        None when there are none. They stay 0 in sweeps: `clamp={layer: (absent, state)}`.
        """
        if not any(units.optional for units in self.layers[layer]):
            return None
        masks = []
        for units, part in self.parts(layer, state):
            if units.optional:
                empty = part.unflatten(-1, (units.size, units.states)).sum(-1) == 0
                masks.append(empty.repeat_interleave(units.states, -1))
            else:
                masks.append(torch.zeros_like(part, dtype=torch.bool))
        mask = torch.cat(masks, -1)
        return mask if mask.any() else None

    def parts(self, layer: int, state: Tensor) -> list[tuple[Units, Tensor]]:
        """The blocks of a layer, each with its columns of a state."""
        blocks = self.layers[layer]
        columns = state.split([units.width for units in blocks], -1)
        return list(zip(blocks, columns, strict=True))

    def __repr__(self) -> str:
        """The layers and the number of parameters on one line."""
        layers = " - ".join(" + ".join(map(str, layer)) for layer in self.layers)
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({layers}; {count} parameters)"


def _check_layers(layers: Sequence[Layer]) -> None:
    if len(layers) < 2 or not all(layers):
        raise ModelError(
            "A Boltzmann machine has two or more layers, each with a block of units; "
            f"these are {[[units.name for units in layer] for layer in layers]}."
        )
    names = [units.name for layer in layers for units in layer]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"Two blocks of units are called {name!r}: each is a site.")
    for units in (units for layer in layers[1:] for units in layer):
        if not units.discrete or units.optional:
            kind = "optional" if units.optional else "Gaussian"
            raise ModelError(
                f"The {kind} units {units.name!r} are in a hidden layer: only visible units "
                f"(layer 0) can be {kind}."
            )
