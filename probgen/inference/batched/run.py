"""A run of ChEES-HMC: all chains in lockstep, from their starts to their last draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from probgen.errors import InitialisationError
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import Leapfrog, leapfrog_of
from probgen.inference.batched.learnt import checked, rows_of
from probgen.inference.batched.ledger import Ledger, noted, put_back
from probgen.inference.batched.metric import Metric
from probgen.inference.batched.record import Record
from probgen.inference.batched.trajectory_length import halton
from probgen.inference.batched.transition import transition
from probgen.inference.batched.warmup import Tuning, Warmup, first_tuning
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.results.store.state import KernelState
from probgen.targets.batch import batch_of

__all__ = ["run"]

_MIXED = 0x9E3779B97F4A7C15


def run(method, density: DensityLike, plan: Plan) -> Draws:
    """Draw from `density` with the settings of `method`, a `ChEES`.

    Raises `OptionError` or `ModelError` for plans that cannot be carried out,
    `InitialisationError` for starts without a finite density, `SamplingError` when no chain
    ever moves, and KeyboardInterrupt when interrupted before the first draw.
    """
    check_plan(density, plan)
    learnt = checked(plan, density.dim)
    if learnt is not None:
        seed = (plan.seed + int(learnt["runs"].max()) * _MIXED) % 2**64
        plan = replace(plan, initial=learnt["position"], seed=seed)
    leapfrog = leapfrog_of(batch_of(density, method.device, threads=plan.threads))
    record = Record(plan, density.dim)
    return _Run(method, leapfrog, plan, record, learnt).draws(density.coordinate_names)


class _Run:
    """The chains, their tuning, and what they have written."""

    def __init__(
        self, method, leapfrog: Leapfrog, plan: Plan, record: Record,
        learnt: Mapping[str, np.ndarray] | None,
    ) -> None:  # fmt: skip
        self.method, self.leapfrog, self.plan, self.record = method, leapfrog, plan, record
        device = leapfrog.batch.device
        self.generator = torch.Generator(device).manual_seed(_torch_seed(plan.seed))
        self.runs = 1 if learnt is None else int(learnt["runs"].max()) + 1
        if plan.state is None:
            self.ensemble = _start(leapfrog, plan)
            self.tuning = first_tuning(method, leapfrog, self.ensemble, self.generator, learnt)
        else:
            self.ensemble = _nowhere(plan, record.dim, device)
            self.tuning = Tuning(Metric.diagonal(self.ensemble.position[0] + 1), 1.0, 1.0)
        self.warmup = Warmup(method, plan.warmup, self.tuning, learnt is not None)
        if plan.state is not None:
            put_back(self._visit, plan.chains, plan.state)

    def draws(self, names: list[str]) -> Draws:
        """Make all transitions; hand back what was finished when interrupted."""
        record = self.record
        interrupted = record.run(self._step, self.state)
        result = record.draws()
        result.adaptation = self._adaptation(result)
        result.summary = {
            **self._summary(),
            "seconds_warmup": record.seconds_warmup,
            "seconds_sampling": record.seconds - record.seconds_warmup,
            "interrupted": interrupted,
            "notes": record.notes(result, names),
        }
        return result

    def state(self) -> KernelState:
        """All that the next transition depends on."""
        return noted(self._visit, self.plan.chains, self.record)

    def _visit(self, ledger: Ledger) -> None:
        self.ensemble = self.ensemble.visit(ledger)
        ledger.generator("rng", self.generator)
        self.tuning.visit(ledger)
        if self.record.iterations < self.plan.warmup:
            self.warmup.visit(ledger, self.ensemble)

    def _step(self, i: int) -> None:
        method, tuning = self.method, self.tuning
        warm = i < self.plan.warmup
        most = self.warmup.most_steps(i) if warm else method.max_steps
        steps = tuning.steps(i, method.jitter, most)
        step, length = tuning.step, tuning.length
        result = transition(
            self.leapfrog, self.ensemble, tuning.metric, step, steps, self.generator,
            method.max_energy_error,
        )  # fmt: skip
        start, self.ensemble = self.ensemble, result.ensemble
        self.record.write(result, step, length)
        if warm:
            share = 1 - method.jitter + method.jitter * halton(i + 1)
            self.warmup.update(i, start, result, share)

    def _adaptation(self, result: Draws) -> dict[str, np.ndarray]:
        tuning, drawn, state = self.tuning, result.unconstrained, self.record.state
        last = drawn[:, -1].copy() if drawn.shape[1] else self.ensemble.position.numpy(force=True)
        if self.plan.keep is not None and state is not None:
            last = state.position.copy()
        return rows_of(last, tuning.metric, tuning.step, tuning.length, self.runs)

    def _summary(self) -> dict[str, Any]:
        record, batch = self.record, self.leapfrog.batch
        return {
            "engine": batch.engine,
            "device": str(batch.device),
            "gradient_evaluations_warmup": int(record.gradients_warmup.sum()),
            "gradient_evaluations": int((record.gradients - record.gradients_warmup).sum()),
            "divergences": int(record.divergences.sum()),
            "step_size": [self.tuning.step] * self.plan.chains,
            "trajectory_length": self.tuning.length,
            "metric_directions": len(self.tuning.metric.longer),
        }


def _start(leapfrog: Leapfrog, plan: Plan) -> Ensemble:
    initial = np.ascontiguousarray(plan.initial, dtype=np.float64)
    ensemble = leapfrog.start(torch.from_numpy(initial.copy()).to(leapfrog.batch.device))
    sound = ensemble.sound()
    if not sound.all():
        raise InitialisationError(
            f"Chain {int(torch.nonzero(~sound)[0])} starts where the log density or its gradient "
            "is not finite. Give other starting values (init), or run `check` on the model."
        )
    return ensemble


def _nowhere(plan: Plan, dim: int, device: torch.device) -> Ensemble:
    """Room for an ensemble that is taken from a state."""
    zeros = torch.zeros((plan.chains, dim), dtype=torch.float64, device=device)
    return Ensemble(zeros, zeros, zeros[:, 0])


def _torch_seed(seed: int) -> int:
    """A seed for torch from any integer, spread over 63 bits."""
    words = np.random.SeedSequence([seed % 2**64, 0xC4EE5]).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
