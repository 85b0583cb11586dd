"""A run that is ready to be sampled: what launching and storing need of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr

from probgen.inference.recorder import Recorder
from probgen.results.store.state import Piece

__all__ = ["PreparedRun", "drawn_arrays"]


class PreparedRun(Protocol):
    """A program, network, machine or simulator, with the method that samples it."""

    kind: ClassVar[str]
    """"program", "network", "machine" or "simulation": who describes it in a store."""

    @property
    def title(self) -> str:
        """What is sampled, and how."""

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""

    def sample(
        self, recorder: Recorder | None = None, watch: Callable[[Any], None] | None = None
    ) -> xr.DataTree:
        """Sample; draws go to `recorder` while they are made, if there is one."""

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws."""


def drawn_arrays(groups: Mapping[str, xr.Dataset]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays that grow with the draws, by group and name."""
    return {
        group: {str(n): v.values for n, v in dataset.data_vars.items() if "draw" in v.dims}
        for group, dataset in groups.items()
    }
