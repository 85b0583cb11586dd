"""A run on a machine: transitions of a kernel, one draw kept in a number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.inference.boltzmann.counting import UnitCounts
from probgen.inference.boltzmann.densities import densities
from probgen.inference.boltzmann.kernel import Kernel
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.pieces import check_chains
from probgen.inference.graphical.sliced import SlicedRun, Snapshot
from probgen.nets.stream import Stream
from probgen.nets.threads import torch_threads
from probgen.results.store.state import KernelState

__all__ = ["MachineChains"]

_THREADS = 1
"""Of torch: always as many, since the last bits of a product depend on it, and draws on them."""


class MachineChains(SlicedRun):
    """Warm-up and draws of one run, one draw kept in `every` transitions.

    `open_kernel` makes the kernel from the stream; where the plan has a state, the run goes on
    from it.
    """

    _counts: UnitCounts

    def __init__(
        self,
        layout: Layout,
        plan: GraphPlan,
        open_kernel: Callable[[Stream], Kernel],
        every: int,
        kept: int,
    ) -> None:
        super().__init__(plan, UnitCounts(layout), every, kept)
        self._layout, self._stream = layout, Stream(plan.seed)
        self._kernel = open_kernel(self._stream)
        columns = layout.cases * layout.kept_size
        self._open(plan.chains * (columns * layout.kept_type.itemsize + 16 * layout.cases))
        room = self._pieces.room
        self._draws = np.empty((room, plan.chains, columns), dtype=layout.kept_type)
        self._stats = {
            name: np.empty((room, plan.chains, layout.cases))
            for name in densities(layout, self._kernel.states)
        }

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        with torch_threads(_THREADS, self._whole):
            yield

    def _warm_up(self, count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                self._iterate()

    def _draw(self, count: int) -> None:
        """So many draws, of `every` transitions each; the units are counted at all of these."""
        with torch.no_grad():
            for _ in range(count):
                for _ in range(self._every):
                    self._iterate()
                    self._counts.add(self._kernel.states)
                self._note(self._kernel.states)

    def _iterate(self) -> None:
        self._kernel.iterate(self._done)
        self._done += 1

    def _note(self, states: list[Tensor]) -> None:
        place, layout = self._pieces.filled, self._layout
        self._draws[place] = layout.kept_values(states).reshape(self._draws.shape[1:])
        for name, found in densities(layout, states).items():
            self._stats[name][place] = found.cpu().numpy().reshape(layout.chains, layout.cases)
        self._pieces.filled += 1

    @property
    def _held(self) -> np.ndarray:
        """The draws that were not handed over, (chain, draw, column)."""
        return self._draws[: self._pieces.filled].transpose(1, 0, 2)

    def _held_stats(self) -> dict[str, np.ndarray]:
        """Of these draws, (chain, draw), and case where there are cases."""
        filled = self._pieces.filled
        found = {n: values[:filled].transpose(1, 0, 2) for n, values in self._stats.items()}
        if self._layout.evidence.batched:
            return found
        return {name: values[:, :, 0] for name, values in found.items()}

    def _made(self) -> int:
        return self._kernel.updates

    def _told(self) -> dict[str, Any]:
        return self._kernel.summary()

    def _snapshot(self) -> Snapshot:
        values = self._layout.values(self._kernel.states).cpu().numpy()
        return Snapshot(
            values.reshape(self._plan.chains, -1), self._stream.seed, self._stream.position,
            self._kernel.arrays(),
        )  # fmt: skip

    def _put_back(self, state: KernelState) -> None:
        layout = self._layout
        check_chains(state, layout.chains, layout.cases * layout.size, self._stream.seed)
        values = torch.from_numpy(np.array(state.position).reshape(layout.rows, -1))
        states = layout.states(values.to(layout.machine.biases[0].device))
        self._kernel.restore(states, state.adaptation)
        self._stream.position = int(state.rng[0, 1])
