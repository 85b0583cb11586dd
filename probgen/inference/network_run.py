"""A network that is ready to be sampled: one run of an engine, draws to DataTree."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.declare.network import Network
from probgen.errors import TooLargeError
from probgen.inference.cores import usable_cores
from probgen.inference.graphical.method import GraphMethod, GraphPlan
from probgen.inference.network_text import network_text
from probgen.inference.options import NetworkOptions
from probgen.inference.prepared import drawn_arrays
from probgen.inference.recorder import Recorder
from probgen.progress import ProgressDisplay
from probgen.results.attributes import run_attributes
from probgen.results.network_tree import network_groups, network_tree
from probgen.results.store.state import KernelState, Piece
from probgen.targets.factors import Factors

__all__ = ["PACKAGES", "NetworkRun", "StepProgress"]

PACKAGES = ("numpy", "xarray", "pgmpy")
"""Whose versions are noted."""
_LOG_JOINT_BYTES = 8  # of every draw, beside a byte per variable


@dataclass(frozen=True)
class StepProgress:
    """A look at a run in flight: how much of the work is done, and what is going on."""

    done: int
    total: int
    doing: str


@dataclass
class NetworkRun:
    """A network that is ready to be sampled, and what it is sampled with."""

    network: Network
    factors: Factors
    method: GraphMethod
    options: NetworkOptions
    reason: str = ""
    seconds_setup: float = 0.0
    kind: ClassVar[str] = "network"

    @property
    def planned(self) -> dict[bool, int]:
        """Draws of each chain, by whether they are of the warm-up."""
        return {False: self.count("draws"), True: self.count("warmup")}

    @property
    def title(self) -> str:
        """What is sampled, and how."""
        return f"{self.method.name} {self.network.title}"

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
                threads=self.options.threads or usable_cores(),
                progress=step,
                keep=recorder.keeper(watch) if recorder else None,
                state=recorder.state if recorder else None,
            )
            if recorder is None:
                _check_room(self.method, plan, len(self.factors.free))
            try:
                result = self.method.run(self.factors, plan)
            except MemoryError as error:
                raise TooLargeError(
                    f"{self.method.name} ran out of memory with {plan.chains} chains x "
                    f"{plan.draws} draws of {len(self.factors.free)} variables: ask for fewer."
                ) from error
        attrs = {**self.attributes, "seconds_inference": time.perf_counter() - ready}
        attrs.update(result.summary)
        if recorder is None:
            return network_tree(
                *self._named, result.marginals, result.states, result.stats, self._observed, attrs
            )
        whole = None
        if result.states is not None and result.states.shape[1] and recorder.state is None:
            whole = Piece(0, False, result.states, result.stats, _NOWHERE)
        final = network_groups(*self._named, result.marginals, None, {}, self._observed)
        recorder.finish(whole, final, attrs)
        return recorder.tree()

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the result that are known before the run."""
        attrs = run_attributes(
            self.network.title,
            self.method,
            self.options.seed,
            PACKAGES,
            network_text(self.network),
        )
        if self.reason:
            attrs["method_reason"] = self.reason
        return {**attrs, "seconds_setup": self.seconds_setup}

    @property
    def draw_bytes(self) -> int:
        """Size of all groups at one draw of every chain, about."""
        return self.count("chains") * (len(self.factors.free) + _LOG_JOINT_BYTES)

    def groups_of(self, piece: Piece) -> dict[str, xr.Dataset]:
        """The groups of the tree at some draws."""
        groups = network_groups(*self._named, None, piece.draws, piece.stats, {})
        return {f"warmup_{n}": d for n, d in groups.items()} if piece.warm else groups

    def values_of(self, piece: Piece) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of these groups."""
        return drawn_arrays(self.groups_of(piece))

    def constants(self) -> dict[str, xr.Dataset]:
        """The groups that are the same at all draws: the evidence."""
        return {}

    @cached_property
    def _named(self) -> tuple[list[str], list[tuple[Hashable, ...]]]:
        """Labels and states of the free variables."""
        labels, free = self.network.labels(), self.factors.free
        return [labels[v] for v in free], [self.network.states[v] for v in free]

    @property
    def _observed(self) -> dict[str, tuple[int, Hashable]]:
        labels, states = self.network.labels(), self.network.states
        return {labels[v]: (s, states[v][s]) for v, s in self.factors.evidence.items()}


_NOWHERE = KernelState(0, np.zeros((0, 0)), np.zeros((0, 0), np.uint64))


def _check_room(method: GraphMethod, plan: GraphPlan, variables: int) -> None:
    """Raise `TooLargeError` when the draws would not fit in the memory of the machine."""
    if hasattr(method, "thin") or not method.defaults.get("draws"):
        return  # engines that thin keep as many as fit; others keep none
    size = plan.chains * plan.draws * (variables + _LOG_JOINT_BYTES)
    if size > _machine_bytes():
        raise TooLargeError(
            f"{plan.chains} chains x {plan.draws} draws of {variables} variables need "
            f"{size / 1e9:.3g} GB, more than this machine has: ask for fewer."
        )


def _machine_bytes() -> float:
    """Memory of the machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
