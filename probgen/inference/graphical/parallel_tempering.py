"""Parallel tempering for any network, zeros included (Geyer 1991; Syed et al. 2022).

Replicas at levels between independent variables and the network swap places, so that states come
to the network from everywhere. The levels are placed during warm-up so that every neighbour swaps
equally often. Level 0 can be summed exactly, which makes the evidence a by-product.
"""

from __future__ import annotations

import numbers
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError, ProbgenError
from probgen.inference.graphical.belief_propagation import BeliefPropagation
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.pieces import check_chains
from probgen.inference.graphical.tempering.base import field_base
from probgen.inference.graphical.tempering.ladder import ladder_summary
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.pilot import pilot
from probgen.inference.graphical.tempering.run import Run, cold_states
from probgen.inference.graphical.tempering.schedule import first_positions
from probgen.targets.factors import Factors

__all__ = ["ParallelTempering"]


_MODE_SWEEPS = 200
"""Sweeps of max-product for the start of half of the ladders."""


@dataclass(frozen=True)
class ParallelTempering:
    """Parallel tempering; every chain is a ladder of its own.

    States of probability zero are possible on the levels between, with a weight that fades out;
    at the network itself, variables that zeros tie together are drawn jointly, as in `Gibbs`.

    Args:
        levels: number of levels, or None to take as many as `target_swap` needs.
        target_swap: swap rate between neighbours that the number of levels is chosen for; half
            makes the most round trips for the work (Syed et al. 2022).
        most_levels: no more levels than this are taken when `levels` is None.
        sweeps: Gibbs sweeps of every level between swaps.

    Raises `OptionError` for wrong settings, `EvidenceError` for impossible evidence.

    Example:
        >>> ParallelTempering(levels=8)
        ParallelTempering(levels=8, target_swap=0.5, most_levels=64, sweeps=4)
    """

    levels: int | None = None
    target_swap: float = 0.5
    most_levels: int = 64
    sweeps: int = 4
    name: ClassVar[str] = "ParallelTempering"
    serves: ClassVar[tuple[str, ...]] = ("factors", "machine")
    defaults: ClassVar[dict[str, int]] = {"chains": 64, "draws": 500, "warmup": 500}

    def __post_init__(self) -> None:
        """Validate the settings."""
        for option, least in (("levels", 2), ("most_levels", 2), ("sweeps", 1)):
            value = getattr(self, option)
            if option == "levels" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise OptionError(
                    f"ParallelTempering({option}={value!r}): it must be an integer from {least}."
                )
        rate = self.target_swap
        if not isinstance(rate, numbers.Real) or not 0 < rate < 1:
            raise OptionError(
                f"ParallelTempering(target_swap={rate!r}): it must lie between 0 and 1; "
                "0.5 is usual."
            )

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Draw from the network as `plan` says; an iteration is `sweeps` sweeps and a swap."""
        started = time.perf_counter()
        path = Path(factors, field_base(factors))
        if plan.state is None:
            first = pilot(path, plan.seed)
            cold = cold_states(factors, first, plan)
            _start_at_mode(cold, factors, plan)
            positions = first_positions(self, first)
        else:
            check_chains(plan.state, plan.chains, len(factors.cards))
            cold = np.ascontiguousarray(plan.state.position.T, dtype=path.state_type)
            positions = plan.state.adaptation["level_positions"][0].copy()
        with ThreadPoolExecutor(max(1, plan.threads)) as pool:
            spread = pool.map if plan.threads > 1 else map
            run = Run(self, path, plan, positions, cold, spread)
            run.seconds["pilot"] += time.perf_counter() - started
            run.work()
        return GraphResult(
            marginals=run.counts.marginals(),
            states=run.draws if plan.keep is None else None,
            stats=run.stats() if plan.keep is None else {},
            summary={
                "engine": path.engine,
                **{f"seconds_{name}": value for name, value in run.seconds.items()},
                "variable_updates": run.updates,
                "interrupted": run.interrupted,
            }
            | _ladder(factors, path, run, plan),
        )


def _start_at_mode(cold: np.ndarray, factors: Factors, plan: GraphPlan) -> None:
    """Let every other ladder begin, at its cold end, in the state that max-product finds.

    A mode that is nothing on all hotter levels (a first-order transition) is never found from
    above; begun there, half of the chains stay, and R-hat tells. Warm-up forgets it elsewhere.
    """
    if plan.chains < 2 or not len(cold):
        return
    try:
        found = BeliefPropagation(mode="max", iterations=_MODE_SWEEPS, starts=1).run(factors, plan)
    except ProbgenError:  # contradictory messages: the search for a start goes on as it was
        return
    if found.states is not None and found.summary["log_joint"] > -np.inf:
        cold[:, 1::2] = found.states[0, 0][:, None]


def _ladder(factors: Factors, path: Path, run: Run, plan: GraphPlan) -> dict[str, Any]:
    """What is to be said of the ladder: swap rates, round trips, evidence, warnings."""
    trips = run.replicas.round_trips
    found, notes = ladder_summary(
        run.replicas.positions, run.acceptance, trips, run.done, plan.chains
    )
    notes[:0] = path.notes
    evidence, error = run.bridge.log_evidence()
    if run.done and trips.sum() < plan.chains and len(run.replicas.positions) > 1:
        notes.append(
            "With less than one round trip per ladder there is no estimate of the evidence to "
            "rely on."
        )
    elif np.isfinite(evidence) and np.isfinite(error):
        found["log_evidence"] = factors.log_constant + evidence
        found["log_evidence_error"] = error
    elif run.done:
        notes.append("Neighbouring levels overlap too little for an estimate of the evidence.")
    if path.has_zeros:
        notes.append(
            "The network has impossible states; on the levels between they are possible, with a "
            "weight that fades out."
        )
    return found | {"notes": notes}
