"""How states of a machine lie in arrays: rows are (chain, case), columns are units.

A *state* is what the machine computes with, (row, width) for every layer; *values* are those of
the sites, one column for every unit of every layer. One-hot codes of width K are one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from probgen.inference.boltzmann.evidence import Evidence
from probgen.nets.boltzmann.block import Clamp
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

__all__ = ["Layout"]


class Layout:
    """Units of a machine with evidence, sampled by so many chains for every case.

    `sites` are (layer, units) in order, `kept` those of them that go to the posterior.
    """

    def __init__(self, machine: BoltzmannMachine, evidence: Evidence, chains: int, hidden: bool):
        self.machine, self.evidence = machine, evidence
        self.chains, self.cases, self.hidden = chains, evidence.cases, hidden
        self.sites = [(n, units) for n, layer in enumerate(machine.layers) for units in layer]
        self.kept = [
            units for n, units in self.sites if self.free(units).any() and (n == 0 or hidden)
        ]

    @property
    def rows(self) -> int:
        """Chains of all cases."""
        return self.chains * self.cases

    @property
    def size(self) -> int:
        """Units of all layers."""
        return sum(units.size for _, units in self.sites)

    @property
    def discrete(self) -> bool:
        """Whether every free unit is discrete."""
        return all(units.discrete or not self.free(units).any() for _, units in self.sites)

    def free(self, units: Units) -> np.ndarray:
        """Which units of a site are free, (case, unit)."""
        return np.isnan(self.evidence.of(units))

    @cached_property
    def places(self) -> dict[str, slice]:
        """The columns of each site."""
        ends = np.cumsum([units.size for _, units in self.sites]).tolist()
        named = zip(self.sites, ends, strict=True)
        return {units.name: slice(end - units.size, end) for (_, units), end in named}

    @property
    def kept_size(self) -> int:
        """Units that the posterior keeps."""
        return sum(units.size for units in self.kept)

    @cached_property
    def kept_type(self) -> np.dtype:
        """Of kept values: the smallest integers that hold them, float32 of Gaussian units."""
        if not all(units.discrete for units in self.kept):
            return np.dtype(np.float32)
        return np.min_scalar_type(-max((units.states for units in self.kept), default=2))

    def kept_values(self, states: Sequence[Tensor]) -> np.ndarray:
        """Values of the sites that the posterior keeps, (row, column)."""
        if not self.kept:
            return np.empty((len(states[0]), 0), self.kept_type)
        like = torch.from_numpy(np.empty(0, self.kept_type)).dtype
        parts: dict[str, Tensor] = {}
        for layer in {number for number, units in self.sites if units in self.kept}:
            parts |= self.machine.decode(layer, states[layer])
        kept = [parts[units.name].to(like) for units in self.kept]
        found: np.ndarray = (kept[0] if len(kept) == 1 else torch.cat(kept, -1)).cpu().numpy()
        return found

    def values(self, states: Sequence[Tensor]) -> Tensor:
        """Values of all sites, (row, unit)."""
        parts: dict[str, Tensor] = {}
        for layer, state in enumerate(states):
            parts |= self.machine.decode(layer, state)
        wanted = self.machine.dtype
        return torch.cat([parts[units.name].to(wanted) for _, units in self.sites], -1)

    def states(self, values: Tensor) -> list[Tensor]:
        """The inverse of `values`."""
        wanted = self.machine.dtype
        parts = {name: values[:, place] for name, place in self.places.items()}
        layers = range(len(self.machine.layers))
        return [self.machine.encode(layer, parts).to(wanted) for layer in layers]

    @cached_property
    def clamp(self) -> Clamp | None:
        """Layer -> which numbers of its state are given, and these, (row, width) each."""
        like = self.machine.biases[0]
        found = {}
        for number, layer in enumerate(self.machine.layers):
            if not any(units.name in self.evidence.values for units in layer):
                continue
            known, given = {}, {}
            for units in layer:
                values = self.evidence.of(units)
                mask = torch.from_numpy(~np.isnan(values))
                known[units.name] = mask.repeat_interleave(units.width // units.size, -1)
                given[units.name] = torch.from_numpy(np.nan_to_num(values)).to(like.dtype)
            mask = torch.cat([known[units.name] for units in layer], -1)
            state = self.machine.encode(number, {n: v.to(like.device) for n, v in given.items()})
            found[number] = (
                mask.to(like.device).repeat(self.chains, 1),
                state.to(like.dtype).repeat(self.chains, 1),
            )
        return found or None
