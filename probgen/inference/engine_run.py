"""What runs of engines have in common, whether of a network or of a machine."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import TooLargeError
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.prepared import drawn_arrays
from probgen.inference.recorder import Recorder
from probgen.progress import ProgressDisplay
from probgen.results.store.state import KernelState, Piece

__all__ = ["EngineRun", "StepProgress"]


@dataclass(frozen=True)
class StepProgress:
    """A look at a run in flight: how much of the work is done, and what is going on."""

    done: int
    total: int
    doing: str


class EngineRun(ABC):
    """A model that is ready to be sampled by an engine; draws to DataTree.

    `options` have chains, draws, warmup (None: what the method declares), seed, threads, progress.
    """

    method: Any
    options: Any

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""
        return {False: self.count("draws"), True: self.count("warmup")}

    @property
    def title(self) -> str:
        """What is sampled, and how."""
        return f"{self.method.name} {self.name}"

    def count(self, name: str) -> int:
        """How many chains, draws or warm-up draws: as asked for, or what the method declares."""
        given = getattr(self.options, name)
        found = int(self.method.defaults.get(name, 0) if given is None else given)
        return max(found, 1) if name == "chains" else found

    def sample(
        self,
        recorder: Recorder | None = None,
        watch: Callable[[StepProgress | None], None] | None = None,
    ) -> xr.DataTree:
        """Run the engine; draws go to `recorder` while they are made, if there is one.

        `watch` is called with the progress a few times a second, and with None after every piece
        that was stored; a `KeyboardInterrupt` that it raises stops the run as Ctrl-C does.
        """
        ready = time.perf_counter()
        with ProgressDisplay(self.title, self.options.progress) as display:

            def step(done: int, total: int, doing: str) -> None:
                display.step(done, total, doing)
                if watch is not None:
                    watch(StepProgress(done, total, doing))

            plan = GraphPlan(
                chains=self.count("chains"),
                draws=self.count("draws"),
                warmup=self.count("warmup"),
                seed=self.options.seed,
                threads=self.options.threads or self._usual_threads(),
                progress=step,
                keep=recorder.keeper(watch) if recorder else None,
                state=recorder.state if recorder else None,
            )
            try:
                result = self._work(plan)
            except MemoryError as error:
                raise TooLargeError(
                    f"{self.method.name} ran out of memory with {plan.chains} chains x "
                    f"{plan.draws} draws of {self._size}: ask for fewer."
                ) from error
        attrs = {**self.attributes, "seconds_inference": time.perf_counter() - ready}
        attrs.update(result.summary)
        if recorder is None:
            return self._tree(result, attrs)
        whole = None
        if result.states is not None and result.states.shape[1] and recorder.state is None:
            whole = Piece(0, False, result.states, result.stats, _NOWHERE)
        recorder.finish(whole, self._final_groups(result), attrs)
        return recorder.tree()

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""
        groups = self._drawn_groups(piece)
        return {f"warmup_{n}": d for n, d in groups.items()} if piece.warm else groups

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""
        return drawn_arrays(self.groups_of(piece))

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the model."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""

    @property
    @abstractmethod
    def _size(self) -> str:
        """Of a draw, in words."""

    @abstractmethod
    def _usual_threads(self) -> int:
        """When none are asked for."""

    @abstractmethod
    def _work(self, plan: GraphPlan) -> GraphResult:
        """Run the engine."""

    @abstractmethod
    def _tree(self, result: GraphResult, attrs: Mapping[str, Any]) -> xr.DataTree:
        """The tree of a run that is not stored."""

    @abstractmethod
    def _drawn_groups(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups at some draws, whether of the warm-up or not."""

    @abstractmethod
    def _final_groups(self, result: GraphResult) -> dict[str, xr.Dataset]:
        """What a store gets at the end, beside draws."""


_NOWHERE = KernelState(0, np.zeros((0, 0)), np.zeros((0, 0), np.uint64))
