"""A run of FlowMetropolis: all walkers together, from their starts to their last draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import leapfrog_of
from probgen.inference.batched.ledger import Ledger, noted, put_back
from probgen.inference.chains import check_plan
from probgen.inference.flow_assisted.jumps import Jumps
from probgen.inference.flow_assisted.learning import Learning
from probgen.inference.flow_assisted.local_moves import LocalMoves
from probgen.inference.flow_assisted.walkers_record import WalkersRecord
from probgen.inference.flow_assisted.walkers_start import (
    checked_adaptation,
    joined,
    sound_start,
    tensor,
    torch_seed,
)
from probgen.inference.flow_assisted.weights import FLOW, rebuilt, weights_of
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.nets.threads import torch_threads
from probgen.results.store.state import KernelState
from probgen.targets.batch import batch_of

if TYPE_CHECKING:
    from probgen.inference.flow_assisted.flow_metropolis import FlowMetropolis

__all__ = ["run"]

RENEWALS = (0.1, 0.25, 0.4, 0.6)
"""Shares of the warm-up after which the metric is renewed and the flow trained again."""
_MIXED = 0x9E3779B97F4A7C15


def run(method: FlowMetropolis, density: DensityLike, plan: Plan) -> Draws:
    """Draw from `density` with the settings of `method`; raises as `FlowMetropolis.run` says."""
    check_plan(density, plan)
    with torch_threads(1):  # one thread rounds alike everywhere, and flows are small
        learnt = checked_adaptation(plan, density.dim)
        if learnt is not None:
            mixed = plan.seed + int(np.max(learnt["runs"])) * _MIXED
            plan = replace(plan, initial=learnt["position"], seed=mixed % 2**64)
        return _Run(method, density, plan, learnt).draws(density.coordinate_names)


class _Run:
    """The walkers, what moves them, and what they have written."""

    def __init__(
        self, method: FlowMetropolis, density: DensityLike, plan: Plan,
        learnt: Mapping[str, np.ndarray] | None,
    ) -> None:  # fmt: skip
        self.method, self.plan = method, plan
        self.batch = batch_of(density, threads=plan.threads)
        self.record = WalkersRecord(plan, density.dim)
        self.generator = torch.Generator().manual_seed(torch_seed(plan.seed))
        leapfrog = leapfrog_of(self.batch)
        self.local = LocalMoves(method, leapfrog, self.generator)
        self.learning = Learning(method, self.batch, plan, self.generator)
        self.jumps: Jumps | None = None
        self.accepted = 0.0
        """Sum over transitions after warm-up of the share of proposals that were accepted."""
        self.runs = 1 if learnt is None else int(np.max(learnt["runs"])) + 1
        self._renewals = {max(1, int(share * plan.warmup)) for share in RENEWALS}
        if plan.state is not None:
            nowhere = torch.zeros((plan.chains, density.dim), dtype=torch.float64)
            self.ensemble = Ensemble(nowhere, nowhere, nowhere[:, 0])
            put_back(self._visit, plan.chains, plan.state)
            return
        self.ensemble = sound_start(leapfrog.start(tensor(plan.initial)))
        if learnt is None and plan.warmup:
            self.ensemble = leapfrog.start(tensor(self.learning.start(self._tempering)))
        self.local.begin(self.ensemble, learnt)
        if learnt is not None and FLOW in learnt:
            self._put_in(np.asarray(learnt[FLOW][0]))
        elif self.learning.particles is not None:
            self.jumps = self.learning.train(self.ensemble)

    def draws(self, names: list[str]) -> Draws:
        """Make all transitions; hand back what was finished when interrupted."""
        record = self.record
        interrupted = record.run(self._transition, self._state)
        result = record.draws()
        result.adaptation = self._adaptation(result)
        notes = [*record.notes(result, names), *self.learning.notes]
        if self.jumps is None:
            notes.append(self.learning.why_local())
        result.summary = {**self._summary(), "interrupted": interrupted, "notes": notes}
        return result

    def _transition(self, i: int) -> None:
        """Local moves, then a proposal of the flow; learn from them while it is warm-up."""
        warm, step = i < self.plan.warmup, self.local.step
        if warm and i in self._renewals:
            self.local.renew()
            self.jumps = self.learning.train(self.ensemble)
        moves = self.local.make(self.ensemble, adapt=warm)
        self.ensemble = moves[-1].ensemble
        acceptance = accepted = torch.zeros_like(self.ensemble.log_density)
        if self.jumps is not None:
            self.ensemble, acceptance, accepted = self.jumps.step(self.ensemble, i, self.generator)
        jumped = int(self.jumps is not None)
        whole = joined(moves, self.ensemble, jumped)
        length = step * float(whole.steps.max() - jumped)
        self.record.write(whole, step, length, acceptance, accepted)
        if not warm:
            self.accepted += float(accepted.to(acceptance).mean())
            return
        self.learning.see(self.ensemble)
        self.local.see(self.ensemble)
        if i + 1 == self.plan.warmup:
            self.local.settle()

    def _state(self) -> KernelState:
        """All that the next transition depends on, after the warm-up."""
        return noted(self._visit, self.plan.chains, self.record)

    def _visit(self, ledger: Ledger) -> None:
        self.ensemble = self.ensemble.visit(ledger)
        ledger.generator("rng", self.generator)
        self.local.visit(ledger)
        ledger.numbers(self, ("accepted",))
        weights = np.zeros(0) if self.jumps is None else weights_of(self.jumps.guide)
        size = _Size(len(weights))
        ledger.numbers(size, ("value",), "flow_size_")
        if size.value:
            room = torch.zeros(size.value, dtype=torch.float64)
            known = room if ledger.loading else torch.from_numpy(weights)
            found = ledger.shared(FLOW, known, room)
            if ledger.loading:
                self._put_in(found.numpy())

    def _put_in(self, weights: np.ndarray) -> None:
        guide = rebuilt(self.method.fit, self.batch.dim, weights).requires_grad_(False)
        self.jumps = Jumps(guide, self.batch, self.plan.chains, self.plan.seed)

    def _adaptation(self, result: Draws) -> dict[str, np.ndarray]:
        chains, state, drawn = self.plan.chains, self.record.state, result.unconstrained
        last = drawn[:, -1].copy() if drawn.shape[1] else self.ensemble.position.numpy(force=True)
        if self.plan.keep is not None and state is not None:
            last = state.position.copy()
        learnt = {
            "position": last,
            "step_size": np.full(chains, self.local.step),
            "scale": np.tile(self.local.metric.scale.numpy(force=True), (chains, 1)),
            "runs": np.full(chains, self.runs),
        }
        if self.jumps is not None:
            learnt[FLOW] = np.tile(weights_of(self.jumps.guide), (chains, 1))
        return learnt

    def _summary(self) -> dict[str, Any]:
        record, plan = self.record, self.plan
        warm = int(record.gradients_warmup.sum())
        drawn = max(record.iterations - plan.warmup, 1)
        return {
            "engine": self.batch.engine,
            "gradient_evaluations_warmup": warm + self.learning.evaluations,
            "gradient_evaluations": int(record.gradients.sum()) - warm,
            "divergences": int(record.divergences.sum()),
            "step_size": [self.local.step] * plan.chains,
            "seconds_warmup": record.seconds_warmup,
            "seconds_sampling": record.seconds - record.seconds_warmup,
            "flow_acceptance": self.accepted / drawn,
            "local_only": self.jumps is None,
            **self.learning.summary,
        }

    def _tempering(self, beta: float, evaluations: int) -> None:
        self.record.gradients[:] = evaluations // self.plan.chains
        self.record.show()
        self.record.gradients[:] = 0


@dataclass
class _Size:
    value: int
