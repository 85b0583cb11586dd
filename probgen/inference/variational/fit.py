"""Fitting a guide to a density: the optimisation alone.

Every step draws particles of the guide, evaluates the compiled density at all of them at once,
and moves the guide's parameters along the gradient of the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from probgen.inference.method import DensityLike
from probgen.inference.variational.averages import Averages
from probgen.inference.variational.bound import Bound, Evaluated, bound_of
from probgen.inference.variational.faults import Faults
from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.guides.mixture import Mixture
from probgen.inference.variational.guides.whitened import Whitened
from probgen.inference.variational.plateau import Plateaus
from probgen.inference.variational.start import Start, find_start
from probgen.inference.variational.svi import SVI
from probgen.learn.training.optimisers import named_optimiser
from probgen.learn.training.schedules import Schedule
from probgen.targets.batch import BatchedDensity, batch_of

__all__ = ["Fitted", "Fitting", "fit_guide"]

RATES = {"mean_field": 0.1, "low_rank": 0.05, "multivariate": 0.05, "mixture": 0.05}
"""Learning rates in whitened coordinates, by guide; flows have `FLOW_RATE`."""
FLOW_RATE = 0.005
FIRST, FLOW_FIRST = 200, 500
"""Steps before a rate is judged."""


@dataclass
class Fitted:
    """A fitted guide, and how the fitting went."""

    guide: Whitened
    losses: np.ndarray
    """Negative bound (nats) of every step, as its particles estimate it."""
    converged: bool
    """Whether the bound stood still before the steps were over."""
    interrupted: bool
    evaluations: int
    """Of the density with its gradient."""
    seconds: float
    notes: list[str] = field(default_factory=list)


def fit_guide(
    density: DensityLike,
    method: SVI,
    initial: np.ndarray,
    *,
    seed: int,
    threads: int = 1,
    watch: Callable[[Fitting], None] | None = None,
    start: Start | None = None,
) -> Fitted:
    """The guide that `method` names, made as like `density` as its family allows.

    `initial` (n, dim) are places to look for the mass from; `watch` is called after every step.
    Ctrl-C ends the training early, with what there is.

    Raises `InitialisationError` without a start, `SamplingError` when the density is hardly ever
    finite at draws of the guide, `OptionError` for settings that do not fit each other.
    """
    start = start or find_start(density, initial, seed)
    fitting = Fitting(density, method, start, seed, threads)
    return fitting.run(watch)


class Fitting:
    """A training in flight; its state is all that its next step depends on."""

    def __init__(
        self, density: DensityLike, method: SVI, start: Start, seed: int, threads: int
    ) -> None:
        self.method, self.name = method, method.guide or "mean_field"
        self.batch: BatchedDensity = batch_of(density, threads=threads)
        self.guide = make_guide(method, start, seed)
        uneven = isinstance(self.guide.inner, Mixture)
        self.bound: Bound = bound_of(
            method.objective, method.particles, method.gradient, self.guide.quick_density, uneven
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters = [p for p in self.guide.parameters() if p.requires_grad]
        self.optimiser = named_optimiser(self.parameters, method.optimiser, fused=True, lr=1.0)
        first = FIRST if self.name in RATES else FLOW_FIRST
        self.plateaus = Plateaus(method.tolerance or 0.0, first)
        self.average = Averages(self.parameters)
        self.faults = Faults(density.coordinate_names)
        self.losses = np.empty(method.steps)
        self.step_number = 0
        self.evaluations = start.evaluations
        self.seconds = 0.0

    def run(self, watch: Callable[[Fitting], None] | None = None) -> Fitted:
        """Train until the bound stands still or the steps are over."""
        began, before, interrupted = time.perf_counter(), self.seconds, False
        try:
            while not self.over:
                self.step()
                self.seconds = before + time.perf_counter() - began
                if watch is not None:
                    watch(self)
        except KeyboardInterrupt:
            interrupted = True
        self.average.put_in()
        notes = self.faults.notes(self.step_number)
        losses = self.losses[: self.step_number].copy()
        return Fitted(
            self.guide, losses, self.plateaus.converged, interrupted, self.evaluations,
            self.seconds, notes,
        )  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether there is nothing left to do."""
        ended = self.plateaus.converged and self.method.tolerance is not None
        return ended or self.step_number >= self.method.steps

    def step(self) -> None:
        """One step; a step at which the density is finite nowhere only shortens later ones."""
        z, log_q, weights = self.guide.particles(self.bound.particles, self.generator)
        values, gradients = self.batch.value_and_grad(z)
        self.evaluations += len(z)
        good = self.faults.look(z, values, gradients, self.step_number)
        if good is not None:
            if not good.any():
                self._skip()
                return
            z, log_q, weights = z[good], log_q[good], weights[good]
            weights = weights / weights.sum()
            values, gradients = values[good], gradients[good]
        if self.bound.path:
            score = self.guide.score(z.detach())
            ratios = Evaluated.apply(z, values - log_q.detach(), gradients - score)
        else:
            ratios = Evaluated.apply(z, values, gradients) - log_q
        loss, negative_bound = self.bound.losses(ratios, weights)
        loss.backward()
        self._set_rate()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._done(float(negative_bound))

    def _skip(self) -> None:
        self.average.put_in()
        self._done(np.inf)

    def _done(self, loss: float) -> None:
        self.losses[self.step_number] = loss
        self.step_number += 1
        self.average.add()
        if self.step_number >= self.plateaus.due:
            left = self.plateaus.judge(self.losses[: self.step_number])
            if not left:
                self.average.turn()
            elif not self.over:
                self.average.begin()

    def _set_rate(self) -> None:
        chosen = self.method.learning_rate
        if isinstance(chosen, Schedule):
            rate = chosen.at(self.step_number, self.method.steps)
        else:
            usual = RATES.get(self.name, FLOW_RATE)
            rate = (usual if chosen is None else chosen) * self.plateaus.factor
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.faults.caution
