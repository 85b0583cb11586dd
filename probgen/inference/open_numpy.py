"""A chain of the numpy engine: what those of all samplers have in common."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from probgen.inference.adapt.metric import Metric
from probgen.inference.adapt.settings import Report, Settings
from probgen.inference.adapt.warmup import Warmup
from probgen.inference.chains import BAD_START, DONE, RAN_AWAY, Chains
from probgen.inference.memory import rng_words, set_rng_words
from probgen.inference.method import DensityLike
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.pieces import Stretch
from probgen.inference.snapshot import Fields, check_fields
from probgen.inference.transitions import Transition

__all__ = ["NumpyChain"]

PROGRESS_SECONDS = 0.2


class NumpyChain(ABC):
    """Warm-up, draws and state; a sampler says what a transition is and what is learnt of it."""

    def __init__(self, density: DensityLike, chains: Chains, index: int, dim: int):
        """`density` is what is sampled, of which `dim` coordinates are the model's."""
        self.chains, self.index, self.dim = chains, index, dim
        self.settings: Settings = chains.settings
        self.report: Report = chains.reports[index]
        self.rng = np.random.default_rng([int(self.settings.seed), index])
        self.metric = Metric(density.dim)
        self.system = Hamiltonian(density, self.metric)
        self.warmup = Warmup(self.settings, self.system)
        nowhere = np.zeros(density.dim)
        self.point = Point(nowhere, nowhere, nowhere, 0.0)
        self.done = 0
        self.seconds = 0.0
        self.shown = time.perf_counter()

    @property
    def warm(self) -> bool:
        """Whether the next transition is one of the warm-up."""
        return self.done < self.settings.warmup

    @abstractmethod
    def begin(self) -> None:
        """Take first settings of its own at the starting point."""

    @abstractmethod
    def transition(self) -> Transition:
        """From where the chain is."""

    @abstractmethod
    def after(self, result: Transition, warm: bool) -> tuple[float, ...]:
        """Its row of statistics; of a transition of the warm-up, something is learnt too.

        `done` counts it already.
        """

    @property
    @abstractmethod
    def step_size(self) -> float:
        """The step size of now."""

    @abstractmethod
    def own_fields(self) -> Fields:
        """What the sampler itself adds to the state; shapes follow from `done` and settings."""

    @abstractmethod
    def take(self, fields: Fields) -> None:
        """Take it from there."""

    def start(self, initial: np.ndarray) -> int:
        """Place it at `initial` (dim,); returns the outcome."""
        start = np.zeros(self.metric.scale.size)
        start[: self.dim] = initial
        self.point = self.system.point(start)
        if not (math.isfinite(self.point.log_density) and np.isfinite(self.point.gradient).all()):
            return BAD_START
        if self.settings.warmup > 0 and not self.settings.resume:
            self.warmup.begin(self.point)
            self.see_anew()
        self.begin()
        self.report.gradients_warmup = self.system.evaluations
        return DONE

    def load(self, iteration: int, fields: Fields) -> int:
        """Place it where another one stood; raises `OptionError` for fields that do not fit."""
        self.done = self.report.iterations = iteration
        check_fields({n: (v.dtype, v.shape) for n, v in self.fields().items()}, fields)
        self.point = self.system.restored(fields)
        set_rng_words(self.rng, fields["rng"])
        self.metric.take(fields)
        if self.warm:
            self.warmup.restore(fields)
        self.take(fields)
        report, counted = self.report, {n: v.item() for n, v in fields.items() if "/" in n}
        self.system.evaluations = counted["counters/gradients"]
        self.seconds = counted["counters/seconds_chain"]
        report.divergences = counted["counters/divergences"]
        report.gradients_warmup = counted["counters/gradients_warmup"]
        report.seconds_warmup = counted["counters/seconds_chain_warmup"]
        self._count(self.seconds)
        return DONE

    def advance(self, stretch: Stretch, index: int) -> int:
        """Make the transitions of `stretch` as chain `index`; returns the outcome."""
        began, before = time.perf_counter(), self.seconds
        rows = {True: 0, False: 0}  # written, by whether they are warm-up
        try:
            while self.done < stretch.end:
                warm, result = self.warm, self.transition()
                if not np.isfinite(result.point.position).all():
                    return RAN_AWAY
                self.point = result.point
                self.done += 1
                statistics = self.after(result, warm)
                if warm or (self.done - self.settings.warmup) % self.settings.thin == 0:
                    self._write(stretch, warm, rows[warm], result.point, statistics)
                    rows[warm] += 1
                if not warm:
                    self.report.divergences += result.diverging
                self._tell(before + time.perf_counter() - began, warm)
        finally:
            self.seconds = before + time.perf_counter() - began
            self._keep()
        return DONE

    def fields(self) -> Fields:
        """Where it stands: all that its next transition depends on, and its totals."""
        report = self.report
        return {
            **self.point.fields(),
            "rng": rng_words(self.rng),
            **self.metric.fields(self.settings),
            **(self.warmup.fields() if self.warm else {}),
            **self.own_fields(),
            "counters/divergences": np.array(int(report.divergences)),
            "counters/gradients": np.array(self.system.evaluations),
            "counters/gradients_warmup": np.array(int(report.gradients_warmup)),
            "counters/seconds_chain": np.array(float(self.seconds)),
            "counters/seconds_chain_warmup": np.array(float(report.seconds_warmup)),
        }

    def see_anew(self) -> None:
        """The same point under the metric of now."""
        self.point = replace(self.point, force=self.metric.force(self.point.gradient))

    def _write(
        self, stretch: Stretch, warm: bool, row: int, point: Point, statistics: tuple[float, ...]
    ) -> None:
        draws = stretch.warmup_draws if warm else stretch.draws
        stats = stretch.warmup_stats if warm else stretch.stats
        if draws is None or stats is None or draws.shape[1] == 0:
            return
        draws[self.index, row] = point.position[: self.dim]
        stats[self.index, row] = statistics

    def _tell(self, seconds: float, warm: bool) -> None:
        report, now, plan = self.report, time.perf_counter(), self.chains.plan
        if warm:
            report.gradients_warmup = self.system.evaluations
            report.seconds_warmup = seconds
        self._count(seconds)
        report.iterations = self.done
        if plan.progress and now - self.shown > PROGRESS_SECONDS:
            self.shown = now
            plan.progress(self.chains.progress())

    def _count(self, seconds: float) -> None:
        report = self.report
        report.gradients_draws = self.system.evaluations - report.gradients_warmup
        report.seconds_draws = seconds - report.seconds_warmup
        report.step_size = self.step_size
        report.directions = self.metric.rank

    def _keep(self) -> None:
        learnt = self.chains.learnt
        learnt["position"][self.index] = self.point.position[: self.dim]
        learnt["step_size"][self.index] = self.step_size
        if self.dim == self.metric.scale.size:
            self.metric.keep(learnt, self.index)
        else:
            learnt["scale"][self.index] = self.metric.scale[: self.dim]
