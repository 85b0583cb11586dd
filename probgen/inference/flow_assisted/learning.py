"""What walkers learn during warm-up: where the modes are, and a flow over them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.flow_assisted.jumps import Jumps
from probgen.inference.flow_assisted.proposal import fit_to_points, proposal_for
from probgen.inference.flow_assisted.tempering import Particles, reference_of, tempered
from probgen.inference.method import Plan
from probgen.inference.optimise.importance import smoothed
from probgen.inference.variational.guides.whitened import Whitened
from probgen.targets.batch import BatchedDensity

__all__ = ["Learning"]

MOST_POINTS = 5000
ROUNDS = 5


class Learning:
    """A flow in training, the points it is trained on, and what became of it."""

    def __init__(self, method, batch: BatchedDensity, plan: Plan, generator: torch.Generator):
        """Nothing is learnt yet."""
        self.method, self.batch, self.plan, self.generator = method, batch, plan, generator
        self.particles: Particles | None = None
        self.summary: dict[str, Any] = {}
        self.notes: list[str] = []
        self._pool: list[Tensor] = []
        self._guide: Whitened | None = None
        self._acceptance: float | None = None

    def start(self, watch: Callable[[float, int], None]) -> np.ndarray:
        """Where walkers start (chain, dim): at particles of tempered SMC, or as the plan says."""
        if self.method.start == "given":
            return np.array(self.plan.initial, dtype=np.float64)
        reference = reference_of(self.plan.initial, self.method.width)
        count, chains = max(self.method.particles, self.plan.chains), self.plan.chains
        found = tempered(self.batch, reference, count, self.generator, watch=watch)
        if found is None:
            self.notes.append(
                "No particle of the tempered start had a finite log density, so walkers started "
                "where they were put. Take another width or init."
            )
            return np.array(self.plan.initial, dtype=np.float64)
        self.particles = found
        self.summary |= {
            "temperatures": len(found.temperatures),
            "log_evidence": found.log_evidence,
            "log_evidence_is": "an estimate by tempered sequential Monte Carlo",
        }
        return found.position[torch.randperm(count, generator=self.generator)[:chains]].numpy()

    def see(self, ensemble: Ensemble) -> None:
        """Add where the walkers are to what the flow is trained on."""
        self._pool.append(ensemble.position)

    def train(self, ensemble: Ensemble) -> Jumps | None:
        """A round of training, on the later half of where walkers were, and on the particles.

        Returns the flow's proposals, unless walkers would accept hardly any of them.
        """
        began = time.perf_counter()
        points = [*self._pool[len(self._pool) // 2 :], ensemble.position]
        if self.particles is not None:
            points.append(self.particles.position)
        joined = torch.cat(points)
        joined = joined[torch.isfinite(joined).all(1)]
        chosen = torch.randperm(len(joined), generator=self.generator)[:MOST_POINTS]
        joined = joined[chosen]
        if self._guide is None:
            self._guide = proposal_for(self.method.fit, joined, self.plan.seed % 2**31)
        level, steps = fit_to_points(
            self._guide, joined, -(-self.method.training_steps // ROUNDS), self.generator
        )
        jumps = Jumps(self._guide, self.batch, self.plan.chains, self.plan.seed)
        self._acceptance, ratios = jumps.judged(ensemble)
        self.summary |= {
            "training_steps": self.summary.get("training_steps", 0) + steps,
            "flow_log_density": level,
            "pareto_k": smoothed(np.where(np.isnan(ratios), -np.inf, ratios))[1],
            "seconds_training": self.summary.get("seconds_training", 0.0)
            + time.perf_counter()
            - began,
        }
        return jumps if self._acceptance >= self.method.least_acceptance else None

    @property
    def evaluations(self) -> int:
        """Of the density, by the tempered start."""
        return 0 if self.particles is None else self.particles.evaluations

    def why_local(self) -> str:
        """Why the flow proposes nothing, for the user."""
        expected = self._acceptance
        why = (
            "no flow was trained, there being no warm-up"
            if expected is None
            else f"its proposals would be accepted with probability {expected:.2g} only"
        )
        return (
            f"{self.method.name} made local moves only, since {why}: modes that lie apart keep "
            "the proportions of the start. Give more warm-up or training_steps, or take "
            "guide='spline'."
        )
