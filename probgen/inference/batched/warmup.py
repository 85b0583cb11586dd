"""Warm-up of all chains together: step size, metric and trajectory length, learnt by turns.

The metric is renewed at fixed shares of the warm-up; trajectories may double with every tenth.
The step size follows the harmonic mean over chains of what each accepted of late: a chain that
is stuck cannot hide among the others, while a rejection now and then is no cause for alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from probgen.inference.adapt.settings import make_settings
from probgen.inference.adapt.step_size import AVERAGED, DualAveraging
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import Leapfrog
from probgen.inference.batched.learnt import restored_metric
from probgen.inference.batched.ledger import Ledger
from probgen.inference.batched.metric import Metric, Spread, first_metric
from probgen.inference.batched.trajectory_length import (
    TrajectoryLength,
    chees_gradient,
    halton,
)
from probgen.inference.batched.transition import Transition, transition

__all__ = ["Tuning", "Warmup", "first_step", "harmonic_mean"]

RENEWALS = (0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Shares of the warm-up after which the metric is renewed."""
BY_GRADIENT = 0.3
FIRST_STEPS = 16
FEWEST = 5
"""Transitions before which the metric stays as it is."""
SETTLED = 0.1
"""Share of the warm-up before which trajectories keep their first length."""
LEAST_ACCEPTANCE = 0.01
MOST_DIRECTIONS = 12
MEMORY = 0.2
"""Weight of the latest transition in the acceptance of a chain."""


@dataclass
class Tuning:
    """What warm-up learns and draws use: one value for all chains."""

    metric: Metric
    step: float
    length: float

    def visit(self, ledger: Ledger) -> None:
        """Note it, or take it back."""
        self.metric = self.metric.visit(ledger, min(MOST_DIRECTIONS, len(self.metric.scale)))
        ledger.numbers(self, ("step", "length"))

    def steps(self, iteration: int, jitter: float, most: int) -> int:
        """Leapfrog steps of transition `iteration`, the same for all chains."""
        share = 1 - jitter + jitter * halton(iteration + 1)
        return max(1, min(most, math.ceil(share * self.length / self.step)))


class Warmup:
    """Changes a `Tuning` after each transition of the warm-up."""

    def __init__(self, method, iterations: int, tuning: Tuning, learnt: bool) -> None:
        """`method` says what is fixed, `learnt` that `tuning` comes from an earlier run."""
        self.method, self.iterations, self.tuning = method, iterations, tuning
        self._directions = 0
        self._acceptance: torch.Tensor | float = method.target_accept
        self._spread = self._seen()
        times = {int(share * iterations) for share in RENEWALS}
        self._renewals = {time for time in times if time >= FEWEST}
        self._length = TrajectoryLength(tuning.length)
        self._averaging = DualAveraging(make_settings("diag"))
        self._averaging.start(tuning.step, learnt)

    def visit(self, ledger: Ledger, ensemble: Ensemble) -> None:
        """Note it, or take it back; `ensemble` is where the chains are."""
        ledger.numbers(self, ("_directions",), "warmup_")
        acceptance = torch.as_tensor(self._acceptance).to(ensemble.log_density)
        acceptance = ledger.rows("acceptance", acceptance.expand(ensemble.log_density.shape))
        if ledger.loading:
            self._acceptance, self._spread = acceptance, self._seen()
        self._spread.visit(ledger, ensemble)
        self._length.visit(ledger)
        ledger.numbers(self._averaging, AVERAGED, "averaging_")

    def most_steps(self, i: int) -> int:
        """Leapfrog steps allowed in transition `i`."""
        doublings = min(10 * i / self.iterations, 30)
        return min(self.method.max_steps, int(FIRST_STEPS * 2**doublings))

    def update(self, i: int, start: Ensemble, result: Transition, share: float) -> None:
        """Learn from transition `i`, which went for `share` of the longest time."""
        method, tuning = self.method, self.tuning
        if method.step_size is None:
            self._acceptance += MEMORY * (result.acceptance - self._acceptance)
            self._averaging.update(harmonic_mean(self._acceptance), method.target_accept)
            tuning.step = self._averaging.step
        if method.trajectory_length is None and i >= SETTLED * self.iterations:
            gradient = share * tuning.length * chees_gradient(start, result, tuning.metric)
            self._length.update(gradient, tuning.step * method.max_steps, tuning.step)
            tuning.length = self._length.length
        self._spread.update(result.ensemble)
        if i + 1 in self._renewals:
            self._renew(i + 1)
        if i + 1 == self.iterations:
            self._settle()

    def _renew(self, done: int) -> None:
        tuning, before = self.tuning, self.tuning.metric
        tuning.metric = self._spread.metric(done < BY_GRADIENT * self.iterations)
        if self.method.metric == "low_rank" and done >= SETTLED * self.iterations:
            self._directions = MOST_DIRECTIONS
        self._spread = self._seen()
        factor = math.exp(before.log_volume() - tuning.metric.log_volume())
        if self.method.step_size is None:
            # The step tried last may be one too far, the average one that was learnt too slowly.
            tuning.step = min(self._averaging.step, self._averaging.averaged_step) * factor
            self._averaging.start(tuning.step, learnt=True)
        if self.method.trajectory_length is None:
            self._length.rescale(factor)
            tuning.length = self._length.length

    def _seen(self) -> Spread:
        return Spread(len(self.tuning.metric.scale), self._directions)

    def _settle(self) -> None:
        if self.method.step_size is None:
            self.tuning.step = self._averaging.averaged_step
        if self.method.trajectory_length is None:
            self.tuning.length = self._length.averaged_length


def first_tuning(
    method, leapfrog: Leapfrog, start: Ensemble, generator: torch.Generator,
    learnt: Mapping[str, np.ndarray] | None,
) -> Tuning:  # fmt: skip
    """Where warm-up begins: from an earlier run, or from the chains' starting points."""
    if learnt is not None:
        step, length = (float(learnt[n].mean()) for n in ("step_size", "trajectory_length"))
        return Tuning(
            restored_metric(learnt, start.position),
            float(method.step_size or step),
            float(method.trajectory_length or length),
        )
    tuning = Tuning(first_metric(start), float(method.step_size or 1.0), 1.0)
    if method.step_size is None:
        tuning.step = first_step(leapfrog, start, tuning.metric, generator, method)
    tuning.length = float(method.trajectory_length or max(1.0, tuning.step))
    return tuning


def first_step(
    leapfrog: Leapfrog, start: Ensemble, metric: Metric, generator: torch.Generator, method
) -> float:
    """Double or halve the step until the chains' acceptance of one step crosses its target."""
    step, direction = 1.0, 0
    for _ in range(60):
        result = transition(leapfrog, start, metric, step, 1, generator, method.max_energy_error)
        wanted = 1 if harmonic_mean(result.acceptance) > method.target_accept else -1
        if direction not in (0, wanted):
            break
        direction = wanted
        step *= 2.0**direction
    return step


def harmonic_mean(acceptance: torch.Tensor) -> float:
    """Harmonic mean over chains; none counts for less than 0.01, so that none rules alone."""
    return float(1 / (1 / acceptance.clamp(min=LEAST_ACCEPTANCE)).mean())
