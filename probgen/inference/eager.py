"""The numpy engine: NUTS and HMC over any density that can give its value and gradient.

For densities without native code and machines without a compiler. Chains run one after another
in the calling thread; Ctrl-C keeps the finished draws. The twin of `native/run.cpp`.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np

from probgen.inference.adapt.metric import Metric
from probgen.inference.adapt.settings import HMC_ALGORITHM, Report, Settings
from probgen.inference.adapt.step_size import DualAveraging, first_step_size
from probgen.inference.adapt.warmup import Warmup
from probgen.inference.chains import BAD_START, DONE, RAN_AWAY, Chains
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.transitions import Transition, hmc_transition, nuts_transition

__all__ = ["run_eager"]

PROGRESS_SECONDS = 0.2


def run_eager(density: DensityLike, plan: Plan, settings: Settings) -> Draws:
    """Draw with the numpy engine, one chain after another; same contract as `run_native`."""
    chains = Chains(settings, plan)
    started = time.perf_counter()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # divergences are counted, not shown
            for chain in range(plan.chains):
                chains.outcomes[chain] = _Chain(density, chains, chain).run()
    except KeyboardInterrupt:
        chains.interrupted = True
    if plan.progress:
        plan.progress(chains.progress())
    return chains.result(density, time.perf_counter() - started, "numpy")


class _Chain:
    """One chain, from its start to its last draw."""

    def __init__(self, density: DensityLike, chains: Chains, chain: int):
        self.settings, self.plan, self.chains = chains.settings, chains.plan, chains
        self.index = chain
        self.report: Report = chains.reports[chain]
        self.rng = np.random.default_rng([int(self.settings.seed), chain])
        self.metric = Metric(density.dim)
        if self.settings.resume:
            self.metric.restore(chains.learnt, chain)
        self.system = Hamiltonian(density, self.metric)
        self.shown = time.perf_counter()

    def run(self) -> int:
        """Warm up and draw; returns the outcome."""
        settings, system = self.settings, self.system
        point = system.point(np.array(self.plan.initial[self.index], dtype=np.float64))
        if not (math.isfinite(point.log_density) and np.isfinite(point.gradient).all()):
            return BAD_START
        warmup, averaging = Warmup(settings, system), DualAveraging(settings)
        adapts, target = settings.step_size <= 0, settings.target_accept
        transition_of = hmc_transition if settings.algorithm == HMC_ALGORITHM else nuts_transition
        step, started = settings.step_size, time.perf_counter()
        if settings.warmup > 0 and not settings.resume:
            warmup.begin(point)
            point = self._reseen(point)
        if adapts and settings.resume:
            step = float(self.chains.learnt["step_size"][self.index])
        elif adapts:
            step = first_step_size(system, point, self.rng, target)
        if adapts:
            averaging.start(step, bool(settings.resume))
        self.report.gradients_warmup = system.evaluations
        try:
            for i in range(settings.warmup + settings.draws * settings.thin):
                warm = i < settings.warmup
                limit = warmup.depth_limit(i) if warm else settings.max_tree_depth
                result = transition_of(system, point, step, limit, self.rng, settings)
                point = result.point
                if not np.isfinite(point.position).all():
                    return RAN_AWAY
                self._record(i, result, step)
                if warm:
                    warmup.update(i + 1, result.depth, point)
                    point = self._reseen(point)
                if warm and adapts:
                    averaging.update(result.acceptance, target)
                    last = i + 1 == settings.warmup
                    step = averaging.averaged_step if last else averaging.step
                self._tell(i, result, step, started)
        finally:
            self._keep(point, step)
        return DONE

    def _keep(self, point: Point, step: float) -> None:
        learnt = self.chains.learnt
        learnt["position"][self.index] = point.position
        learnt["step_size"][self.index] = step
        self.metric.keep(learnt, self.index)

    def _reseen(self, point: Point) -> Point:
        """The same point under the metric of now."""
        return replace(point, force=self.system.metric.force(point.gradient))

    def _record(self, i: int, result: Transition, step: float) -> None:
        warm = i < self.settings.warmup
        draws = self.chains.warmup_draws if warm else self.chains.draws
        stats = self.chains.warmup_stats if warm else self.chains.stats
        draw, rest = (i, 0) if warm else divmod(i - self.settings.warmup + 1, self.settings.thin)
        if draws is None or stats is None or rest > 0:
            return
        draw -= not warm
        draws[self.index, draw] = result.point.position
        stats[self.index, draw] = (
            result.point.log_density, result.energy, step, result.steps, result.depth,
            result.acceptance, result.energy_error, result.diverging, result.reached_max_depth,
        )  # fmt: skip

    def _tell(self, i: int, result: Transition, step: float, started: float) -> None:
        report, now = self.report, time.perf_counter()
        if i < self.settings.warmup:
            report.gradients_warmup = self.system.evaluations
            report.seconds_warmup = now - started
        else:
            report.divergences += result.diverging
        report.gradients_draws = self.system.evaluations - report.gradients_warmup
        report.seconds_draws = now - started - report.seconds_warmup
        report.step_size = step
        report.directions = self.system.metric.rank
        report.iterations = i + 1
        if self.plan.progress and now - self.shown > PROGRESS_SECONDS:
            self.shown = now
            self.plan.progress(self.chains.progress())
