"""A run on a machine: warm-up and draws in slices short enough that Ctrl-C is heard."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from probgen.inference.boltzmann.counting import UnitCounts
from probgen.inference.boltzmann.densities import densities
from probgen.inference.boltzmann.kernel import Kernel
from probgen.inference.boltzmann.layout import Layout
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.pieces import Pieces, check_chains, counter_words, each_chain
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.nets.stream import Stream
from probgen.nets.threads import torch_threads
from probgen.results.store.state import KernelState

__all__ = ["MachineChains"]

_SLICE_SECONDS = 0.1
_PHASES = ("warm-up", "sampling")
_THREADS = 1
"""Of torch: always as many, since the last bits of a product depend on it, and draws on them."""


class MachineChains:
    """Warm-up and draws of one run, one draw kept in `every` transitions.

    `open_kernel` makes the kernel from the stream; where the plan has a state, the run goes on
    from it.
    """

    def __init__(
        self,
        layout: Layout,
        plan: GraphPlan,
        open_kernel: Callable[[Stream], Kernel],
        every: int,
        kept: int,
    ) -> None:
        self._layout, self._plan, self._every = layout, plan, every
        self._kept = kept
        self._total = plan.warmup + kept * every
        self._done = self._updates_before = 0
        self._seconds = dict.fromkeys(_PHASES, 0.0)
        self._stream = Stream(plan.seed)
        self._kernel = open_kernel(self._stream)
        self.counts = UnitCounts(layout)
        batches = self.counts.counts.batches(plan.chains, kept)
        self._edges = np.linspace(0, kept, batches + 1).astype(int)[1:]
        if plan.state is not None:
            self._restore(plan.state)
        columns = layout.cases * layout.kept_size
        draw_bytes = plan.chains * (columns * layout.kept_type.itemsize + 16 * layout.cases)
        self._pieces = Pieces(plan.keep, self._drawn, kept, draw_bytes)
        self._pieces.goes_on_from(self._done if plan.state is not None else -1)
        room = self._pieces.room
        self._draws = np.empty((room, plan.chains, columns), dtype=layout.kept_type)
        self._stats = {
            name: np.empty((room, plan.chains, layout.cases))
            for name in densities(layout, self._kernel.states)
        }
        self._slice = 1
        self._interrupted = False
        self._whole = WholeSteps()

    @property
    def _drawn(self) -> int:
        """Draws made so far, those before a break included."""
        return max(0, self._done - self._plan.warmup) // self._every

    def work(self) -> GraphResult:
        """Make the transitions of the plan.

        Raises KeyboardInterrupt when it came before the first draw.
        """
        with self._whole, torch_threads(_THREADS, self._whole):
            while self._done < self._plan.warmup and not self._interrupted:
                self._timed("warm-up", min(self._plan.warmup - self._done, self._slice))
                if self._pieces.due():
                    self._hand_over()
            if not self._drawn:
                self._hand_over()
            for end in map(int, self._edges):
                while self._drawn < end and not self._interrupted:
                    draws = min(end - self._drawn, self._pieces.free)
                    self._timed("sampling", min(draws, max(1, self._slice // self._every)))
                    if self._drawn == end:
                        self.counts.close()
                    if self._pieces.due():
                        self._hand_over()
            self._hand_over()
        # What an interrupt left open is no batch of the run that goes on, but counts here.
        self.counts.close()
        if self._interrupted and not self._drawn:
            raise KeyboardInterrupt
        return self._result()

    def _timed(self, phase: str, count: int) -> None:
        """Make warm-up transitions or draws, and learn how many fit into a slice."""
        started, before = time.perf_counter(), self._done
        try:
            self._whole(self._warm_up if phase == "warm-up" else self._draw, count)
        except KeyboardInterrupt:
            self._interrupted = True
        seconds = time.perf_counter() - started
        self._seconds[phase] += seconds
        if seconds < _SLICE_SECONDS / 2:
            self._slice = max(self._slice, 2 * (self._done - before))
        elif seconds > 2 * _SLICE_SECONDS:
            self._slice = max(1, self._slice // 2)
        if self._plan.progress:
            try:
                self._plan.progress(self._done, self._total, phase)
            except KeyboardInterrupt:
                self._interrupted = True

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
                    self.counts.add(self._kernel.states)
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

    def _hand_over(self) -> None:
        warm = None if self._done > self._plan.warmup else self._done
        try:
            self._pieces.hand_over(self._state, self._held, self._held_stats, warm)
        except KeyboardInterrupt:
            self._interrupted = True

    @property
    def _updates(self) -> int:
        return self._updates_before + self._kernel.updates

    def _state(self) -> KernelState:
        chains = self._plan.chains
        values = self._layout.values(self._kernel.states).cpu().numpy()
        words = counter_words(self._stream.seed, self._stream.position, chains)
        return KernelState(
            iteration=self._done,
            position=values.reshape(chains, -1),
            rng=words,
            adaptation={**self.counts.arrays(), **self._kernel.arrays()},
            counters={
                "variable_updates": each_chain(np.int64(self._updates // chains), chains),
                "seconds_warmup": each_chain(self._seconds["warm-up"], chains),
                "seconds_sampling": each_chain(self._seconds["sampling"], chains),
            },
        )

    def _restore(self, state: KernelState) -> None:
        layout, counters = self._layout, state.counters
        check_chains(state, layout.chains, layout.cases * layout.size, self._stream.seed)
        self._done = state.iteration
        values = torch.from_numpy(np.array(state.position).reshape(layout.rows, -1))
        states = layout.states(values.to(layout.machine.biases[0].device))
        self._kernel.restore(states, state.adaptation)
        self._stream.position = int(state.rng[0, 1])
        self.counts.restore(state.adaptation, (self._edges * self._every).tolist())
        self._updates_before = int(counters["variable_updates"][0]) * layout.chains
        for phase, name in zip(_PHASES, ("seconds_warmup", "seconds_sampling"), strict=True):
            self._seconds[phase] = float(counters[name][0])

    def _result(self) -> GraphResult:
        kept = self._plan.keep is not None
        return GraphResult(
            marginals=self.counts.marginals(),
            states=None if kept else self._held,
            stats={} if kept else self._held_stats(),
            summary={
                **self._kernel.summary(),
                "seconds_warmup": self._seconds["warm-up"],
                "seconds_sampling": self._seconds["sampling"],
                "sweeps": self._done,
                "variable_updates": self._updates,
                "interrupted": self._interrupted,
            },
        )
