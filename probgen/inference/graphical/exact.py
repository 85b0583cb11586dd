"""Exact inference by a junction tree: marginals, evidence and independent posterior draws."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from probgen.inference.graphical.elimination.memory import check_memory_option
from probgen.inference.graphical.elimination.tree import JunctionTree, calibrate
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.targets.factors import Factors

__all__ = ["Exact"]


@dataclass(frozen=True)
class Exact:
    """Exact inference by variable elimination (Lauritzen & Spiegelhalter 1988).

    All marginals and the log evidence are exact up to rounding; draws are independent draws of
    the joint posterior. What it costs is known beforehand from the width of the network.

    Args:
        memory: the most memory to use, in GB; None for half of what is available, at most 8.6.

    Raises `OptionError` for a wrong setting, `TooLargeError` when the tables would not fit, and
    `EvidenceError` when the evidence has probability zero.

    Example:
        >>> Exact(memory=4)
        Exact(memory=4)

    """

    memory: float | None = None
    name: ClassVar[str] = "Exact"
    serves: ClassVar[tuple[str, ...]] = ("factors", "machine")
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_memory_option("Exact", self.memory)

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Calibrate, read the marginals, draw `plan.chains` times `plan.draws` joint states."""
        tree = calibrate(factors, self.memory)
        calibrated = time.perf_counter()
        marginals = tree.marginals()
        counted = time.perf_counter()
        states = tree.sample(plan.chains * plan.draws, plan.seed, plan.threads)
        states = states.reshape(plan.chains, plan.draws, len(factors.free))
        summary = _summary(tree)
        summary["seconds_marginals"] = counted - calibrated
        summary["seconds_sampling"] = time.perf_counter() - counted
        stats = {"log_joint": factors.log_joint(states)}
        return GraphResult(marginals=marginals, states=states, stats=stats, summary=summary)


def _summary(tree: JunctionTree) -> dict[str, object]:
    notes = []
    if tree.engine == "numpy":
        notes.append("Native code could not be built, so slower sums in numpy were used.")
    if tree.domain == "log" and tree.engine == "native":
        notes.append("Products of probabilities left the range of doubles: log domain used.")
    return {
        "engine": tree.engine,
        "domain": tree.domain,
        "log_evidence": float(tree.log_z),
        "width": tree.plan.width,
        "table_entries": int(tree.plan.entries),
        "bytes": int(tree.plan.bytes),
        "seconds_order": tree.seconds_order,
        "seconds_calibrate": tree.seconds_calibrate,
        "converged": True,
        "interrupted": False,
        "notes": notes,
    }
