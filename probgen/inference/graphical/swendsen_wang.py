"""Swendsen-Wang: whole clusters of a ferromagnet change at once (Swendsen & Wang 1987).

At a critical point or at low temperature, where single-site samplers stand still for ages,
clusters move within a few sweeps.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from probgen.errors import BuildError, OptionError
from probgen.inference.graphical.clusters.model import (
    Ferromagnet,
    check_possible,
    ferromagnet,
    permanent_clusters,
)
from probgen.inference.graphical.clusters.run import ClusterRun
from probgen.inference.graphical.clusters.sweep import NativeSweep, NumpySweep
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.targets.factors import Factors

__all__ = ["SwendsenWang"]


@dataclass(frozen=True)
class SwendsenWang:
    """Cluster sampling of ferromagnetic pairs: Ising and Potts models on any graph.

    Couplings may differ from edge to edge (and, with three states or more, from state to state),
    any field may act, binary networks may be antiferromagnetic as far as flipping some of their
    variables cures it. Marginals are averages of the clusters' exact state probabilities.

    Args:
        thin: sweeps per draw.

    Raises `OptionError` for a wrong setting, `ModelError` naming the factor for networks that are
    no ferromagnets, `EvidenceError` when a variable is left without a state.

    Example:
        >>> SwendsenWang()
        SwendsenWang(thin=1)
    """

    thin: int = 1
    name: ClassVar[str] = "SwendsenWang"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 200}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not isinstance(self.thin, int) or isinstance(self.thin, bool) or self.thin < 1:
            raise OptionError(f"SwendsenWang(thin={self.thin!r}): it must be an integer from 1.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Draw states and average marginals as `plan` says."""
        started = time.perf_counter()
        model = ferromagnet(factors)
        cluster, field = permanent_clusters(model)
        check_possible(factors, cluster, field)
        sweep, notes = _engine(model)
        run = ClusterRun(model, plan, sweep, self.thin, LogJoint(factors))
        if plan.state is None:
            run.start(cluster, field)
        ready = time.perf_counter()
        run.work()
        if model.flipped.any():
            notes.append(
                f"{int(model.flipped.sum())} of {len(model.flipped)} variables were flipped "
                "inside the sampler to make all couplings ferromagnetic."
            )
        sweeps = plan.warmup + run.done * self.thin
        return GraphResult(
            marginals=run.means.marginals(),
            states=run.draws if plan.keep is None else None,
            stats=run.stats() if plan.keep is None else {},
            summary={
                "engine": sweep.engine,
                "seconds_setup": ready - started,
                "seconds_sampling": run.seconds,
                "variable_updates": sweeps * plan.chains * len(model.cards),
                "edges": len(model.ends),
                "flipped": int(model.flipped.sum()),
                "interrupted": run.interrupted,
                "notes": notes,
            },
        )


def _engine(model: Ferromagnet) -> tuple[NativeSweep | NumpySweep, list[str]]:
    native = NativeSweep(model)
    try:
        _ = native.library
    except BuildError as error:
        return NumpySweep(model), [
            f"Native code could not be built, so slow sweeps in Python were used: {error}"
        ]
    return native, []
