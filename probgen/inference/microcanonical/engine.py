"""The numpy engine of the microcanonical samplers; the twin of `native/microcanonical.cpp`.

For densities without native code and machines without a compiler. Chains run one after another
in the calling thread; Ctrl-C keeps the finished draws.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np

from probgen.inference.adapt.metric import Metric
from probgen.inference.adapt.settings import Report
from probgen.inference.adapt.warmup import Warmup
from probgen.inference.chains import BAD_START, DONE, RAN_AWAY, Chains
from probgen.inference.method import DensityLike, Draws, NativeFunction
from probgen.inference.microcanonical.burn_in import BurnIn
from probgen.inference.microcanonical.decoherence import autocorrelation_time
from probgen.inference.microcanonical.samplers import Mams, Mclmc
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning, Tunings
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.transitions import Transition

__all__ = ["run_eager"]

PROGRESS_SECONDS = 0.2
FEWEST = 20
"""Draws from which an autocorrelation time is taken."""


def run_eager(density: DensityLike, chains: Chains, tunings: Tunings) -> Draws:
    """Draw with the numpy engine, one chain after another."""
    started = time.perf_counter()
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for chain in range(chains.plan.chains):
                chains.outcomes[chain] = _Chain(density, chains, chain, tunings.of(chain)).run()
    except KeyboardInterrupt:
        chains.interrupted = True
    if chains.plan.progress:
        chains.plan.progress(chains.progress())
    return chains.result(density, time.perf_counter() - started, "numpy")


@dataclass(frozen=True)
class _WithAuxiliary:
    """A single coordinate has no direction to turn to: a standard normal one is added to it."""

    inner: DensityLike
    dim: int = 2
    native: NativeFunction | None = None

    @property
    def coordinate_names(self) -> list[str]:
        return [*self.inner.coordinate_names, "auxiliary"]

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.inner.value_and_grad(q[:1])
        return value - 0.5 * q[1] ** 2, np.array([gradient[0], -q[1]])


class _Chain:
    """One chain, from its start to its last draw."""

    def __init__(self, density: DensityLike, chains: Chains, chain: int, tuning: Tuning):
        assert isinstance(chains.settings, MicrocanonicalSettings)
        self.settings, self.plan, self.chains = chains.settings, chains.plan, chains
        self.index, self.tuning = chain, tuning
        self.report: Report = chains.reports[chain]
        self.dim = density.dim
        inner = density if density.dim > 1 else _WithAuxiliary(density)
        self.metric = Metric(inner.dim)
        self._take_learnt(inner.dim)
        self.system = Hamiltonian(inner, self.metric)
        self.rng = np.random.default_rng([int(self.settings.seed), chain])
        sampler = Mams if self.settings.adjusted else Mclmc
        self.sampler = sampler(self.settings, self.system, tuning, self.rng)
        self.warmup = Warmup(self.settings, self.system)
        self.started = self.shown = time.perf_counter()

    def _take_learnt(self, dim: int) -> None:
        settings, tuning, learnt = self.settings, self.tuning, self.chains.learnt
        if settings.resume:
            self.metric.restore(learnt, self.index)
            self.metric.scale = np.resize(self.metric.scale, dim)
            self.metric.scale[self.dim :] = 1.0
            tuning.step_size = learnt["step_size"][self.index]
        else:
            tuning.length = math.sqrt(dim)
        if settings.length > 0:
            tuning.length = settings.length

    def run(self) -> int:
        """Warm up and draw; returns the outcome."""
        start = np.zeros(self.metric.scale.size)
        start[: self.dim] = self.plan.initial[self.index]
        point = self.system.point(start)
        if not (math.isfinite(point.log_density) and np.isfinite(point.gradient).all()):
            return BAD_START
        try:
            return self._warm_up_and_draw(point)
        finally:
            self._keep()

    def _warm_up_and_draw(self, point: Point) -> int:
        settings, sampler = self.settings, self.sampler
        if settings.warmup > 0 and not settings.resume:
            self.warmup.begin(point)
            point = self._reseen(point)
        burn_in = 0 if settings.resume else settings.burn_in
        if burn_in:
            nuts = BurnIn(settings, self.system, point, self.rng)
        if settings.warmup == 0:
            self._start(point)
            sampler.learn(Transition(point, 0.0), True)
        self.report.gradients_warmup = self.system.evaluations
        for i in range(settings.warmup + settings.draws * settings.thin):
            warm = i < settings.warmup
            if warm and i == burn_in:
                self._start(point)
                sampler.warm(True)
            if i < burn_in:
                self.tuning.step_size = nuts.step
                result = nuts(point, self.warmup.depth_limit(i))
            else:
                if warm:
                    sampler.prepare()
                result = sampler(point)
            if not np.isfinite(result.point.position).all():
                return RAN_AWAY
            point = self._learn(i + 1, result, i >= burn_in) if warm else result.point
            self._record(i, result)
            self._tell(i, result)
            if i + 1 == settings.warmup:
                sampler.warm(False)
        return DONE

    def _start(self, point: Point) -> None:
        if self.settings.step_size > 0:
            self.tuning.step_size = self.settings.step_size
        self.sampler.start(point)

    def _learn(self, done: int, result: Transition, ours: bool) -> Point:
        warmup, settings = self.warmup, self.settings
        warmup.update(done, result.depth, result.point)
        if not ours:
            return self._reseen(result.point)
        if done == warmup.last:
            if settings.length <= 0:
                self._set_length(np.array(warmup.positions))
            self.sampler.settle()
        self.sampler.learn(result, done == settings.warmup)
        return self._reseen(result.point)

    def _set_length(self, positions: np.ndarray) -> None:
        count = int(0.75 * len(positions))
        if count >= FEWEST:
            decoherence = autocorrelation_time(positions[-count:, : self.dim])
            self.tuning.length = self.settings.length_factor * decoherence * self.sampler.travelled

    def _keep(self) -> None:
        learnt = self.chains.learnt
        learnt["step_size"][self.index] = self.tuning.step_size
        if self.dim > 1:
            self.metric.keep(learnt, self.index)
        else:
            learnt["scale"][self.index] = self.metric.scale[:1]

    def _reseen(self, point: Point) -> Point:
        """The same point under the metric of now."""
        return replace(point, force=self.metric.force(point.gradient))

    def _record(self, i: int, result: Transition) -> None:
        warm = i < self.settings.warmup
        draws = self.chains.warmup_draws if warm else self.chains.draws
        stats = self.chains.warmup_stats if warm else self.chains.stats
        row, rest = (i, 0) if warm else divmod(i - self.settings.warmup, self.settings.thin)
        if draws is None or stats is None or (not warm and rest + 1 < self.settings.thin):
            return
        position = result.point.position
        added = 0.5 * float(position[self.dim :] @ position[self.dim :])
        draws[self.index, row] = position[: self.dim]
        stats[self.index, row] = (
            result.point.log_density + added, 0, self.tuning.step_size, result.steps, 0,
            result.acceptance, result.energy_error, result.diverging, 0,
        )  # fmt: skip

    def _tell(self, i: int, result: Transition) -> None:
        report, now = self.report, time.perf_counter()
        if i < self.settings.warmup:
            report.gradients_warmup = self.system.evaluations
            report.seconds_warmup = now - self.started
        else:
            report.divergences += result.diverging
        report.gradients_draws = self.system.evaluations - report.gradients_warmup
        report.seconds_draws = now - self.started - report.seconds_warmup
        report.step_size = self.tuning.step_size
        report.directions = self.metric.rank
        report.iterations = i + 1
        if self.plan.progress and now - self.shown > PROGRESS_SECONDS:
            self.shown = now
            self.plan.progress(self.chains.progress())
