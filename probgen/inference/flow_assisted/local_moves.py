"""Hamiltonian moves of all walkers inside their modes, and what is tuned for them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from probgen.inference.adapt.settings import make_settings
from probgen.inference.adapt.step_size import DualAveraging
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.leapfrog import Leapfrog
from probgen.inference.batched.ledger import Ledger
from probgen.inference.batched.metric import Metric, Spread, first_metric
from probgen.inference.batched.transition import Transition, transition
from probgen.inference.batched.warmup import harmonic_mean

__all__ = ["LocalMoves"]

MAX_ENERGY_ERROR = 1000.0


class LocalMoves:
    """Short trajectories of random length, with one step size and metric for all walkers."""

    def __init__(self, method, leapfrog: Leapfrog, generator: torch.Generator) -> None:
        """`method` is a `FlowMetropolis`."""
        self.method, self.leapfrog, self.generator = method, leapfrog, generator
        self.dim = leapfrog.batch.dim
        self.step, self.metric = 1.0, Metric.diagonal(torch.ones(self.dim, dtype=torch.float64))
        self._spread = Spread(self.dim, 0)
        self._averaging = DualAveraging(make_settings("diag"))

    def begin(self, start: Ensemble, learnt: Mapping[str, np.ndarray] | None) -> None:
        """Take what an earlier run has learnt, or guess from where walkers start."""
        if learnt is None:
            self.metric = first_metric(start)
            self.step = self._first_step(start)
        else:
            self.step = float(learnt["step_size"].mean())
            self.metric = Metric.diagonal(torch.from_numpy(np.array(learnt["scale"][0])))
        self._averaging.start(self.step, learnt is not None)

    def make(self, start: Ensemble, adapt: bool) -> list[Transition]:
        """The local moves of one transition, adapting the step size where that is asked for."""
        made: list[Transition] = []
        for _ in range(self.method.local_moves):
            steps = int(torch.randint(self.method.leapfrog_steps, (1,), generator=self.generator))
            made.append(self._move(start, 1 + steps))
            start = made[-1].ensemble
            if adapt:
                target = self.method.target_accept
                self._averaging.update(harmonic_mean(made[-1].acceptance), target)
                self.step = self._averaging.step
        return made

    def see(self, ensemble: Ensemble) -> None:
        """Learn from where walkers are."""
        self._spread.update(ensemble)

    def renew(self) -> None:
        """Take the metric of what was seen since the last time."""
        before, self.metric = self.metric, self._spread.metric(by_gradient=True)
        self._spread = Spread(self.dim, 0)
        factor = math.exp(before.log_volume() - self.metric.log_volume())
        self.step = self._averaging.averaged_step * factor
        self._averaging.start(self.step, learnt=True)

    def settle(self) -> None:
        """The end of the warm-up: nothing changes from here on."""
        self.step = self._averaging.averaged_step

    def visit(self, ledger: Ledger) -> None:
        """Note what the moves depend on after the warm-up, or take it back."""
        self.metric = Metric.diagonal(ledger.shared("scale", self.metric.scale, self.metric.scale))
        ledger.numbers(self, ("step",))

    def _move(self, start: Ensemble, steps: int) -> Transition:
        return transition(
            self.leapfrog, start, self.metric, self.step, steps, self.generator, MAX_ENERGY_ERROR
        )

    def _first_step(self, start: Ensemble) -> float:
        """Double or halve the step until acceptance crosses its target."""
        direction = 0
        for _ in range(60):
            acceptance = harmonic_mean(self._move(start, 1).acceptance)
            wanted = 1 if acceptance > self.method.target_accept else -1
            if direction not in (0, wanted):
                break
            direction = wanted
            self.step *= 2.0**direction
        return self.step
