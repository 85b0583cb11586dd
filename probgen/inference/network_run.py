"""A network that is ready to be sampled: one run of an engine, draws to DataTree."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import xarray as xr

from probgen.declare.network import Network
from probgen.errors import TooLargeError
from probgen.inference.cores import usable_cores
from probgen.inference.engine_run import EngineRun, StepProgress
from probgen.inference.graphical.method import GraphMethod, GraphPlan, GraphResult
from probgen.inference.network_text import network_text
from probgen.inference.options import NetworkOptions
from probgen.results.attributes import run_attributes
from probgen.results.network_tree import network_groups, network_tree
from probgen.results.store.state import Piece
from probgen.targets.factors import Factors

__all__ = ["PACKAGES", "NetworkRun", "StepProgress"]

PACKAGES = ("numpy", "xarray", "pgmpy")
"""Whose versions are noted."""
_LOG_JOINT_BYTES = 8  # of every draw, beside a byte per variable


@dataclass
class NetworkRun(EngineRun):
    """A network that is ready to be sampled, and what it is sampled with."""

    network: Network
    factors: Factors
    method: GraphMethod
    options: NetworkOptions
    reason: str = ""
    seconds_setup: float = 0.0
    kind: ClassVar[str] = "network"

    @property
    def name(self) -> str:
        """Of the network."""
        return self.network.title

    def _usual_threads(self) -> int:
        return usable_cores()

    @property
    def _size(self) -> str:
        return f"{len(self.factors.free)} variables"

    def _work(self, plan: GraphPlan) -> GraphResult:
        if plan.keep is None:
            _check_room(self.method, plan, len(self.factors.free))
        return self.method.run(self.factors, plan)

    def _tree(self, result: GraphResult, attrs: Mapping[str, Any]) -> xr.DataTree:
        return network_tree(
            *self._named, result.marginals, result.states, result.stats, self._observed, attrs
        )

    def _final_groups(self, result: GraphResult) -> dict[str, xr.Dataset]:
        return network_groups(*self._named, result.marginals, None, {}, self._observed)

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

    def _drawn_groups(self, piece: Piece) -> dict[str, xr.Dataset]:
        return network_groups(*self._named, None, piece.draws, piece.stats, {})

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
