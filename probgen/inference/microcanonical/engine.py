"""The numpy engine of the microcanonical samplers; the twin of `native/microcanonical.cpp`.

For densities without native code and machines without a compiler. Chains run one after another
in the calling thread; Ctrl-C keeps the finished draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from probgen.inference.chains import Chains
from probgen.inference.in_turn import run_in_turn
from probgen.inference.memory import numbers_of, set_numbers
from probgen.inference.method import DensityLike, Draws, NativeFunction
from probgen.inference.microcanonical.adjusted import Mams
from probgen.inference.microcanonical.burn_in import BurnIn
from probgen.inference.microcanonical.decoherence import autocorrelation_time
from probgen.inference.microcanonical.langevin import Mclmc
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning, Tunings
from probgen.inference.open_numpy import NumpyChain
from probgen.inference.snapshot import Fields
from probgen.inference.transitions import Transition

__all__ = ["run_eager"]

FEWEST = 20
"""Draws from which an autocorrelation time is taken."""
_TUNED = ("step_size", "length", "steps", "energy_error")


def run_eager(density: DensityLike, chains: Chains, tunings: Tunings) -> Draws:
    """Draw with the numpy engine, one chain after another."""
    inner = density if density.dim > 1 else _WithAuxiliary(density)
    return run_in_turn(
        density, chains, lambda index: _Chain(inner, chains, index, density.dim, tunings.of(index))
    )


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


class _Chain(NumpyChain):
    """One chain of MCLMC or MAMS."""

    settings: MicrocanonicalSettings

    def __init__(self, density: DensityLike, chains: Chains, index: int, dim: int, tuning: Tuning):
        super().__init__(density, chains, index, dim)
        settings, learnt, wider = self.settings, chains.learnt, density.dim
        self.tuning = tuning
        if settings.resume:
            self.metric.restore(learnt, index)
            self.metric.scale = np.resize(self.metric.scale, wider)
            self.metric.scale[dim:] = 1.0
            tuning.step_size = learnt["step_size"][index]
        else:
            tuning.length = math.sqrt(wider)
        if settings.length > 0:
            tuning.length = settings.length
        sampler = Mams if settings.adjusted else Mclmc
        self.sampler = sampler(settings, self.system, tuning, self.rng)
        self.burn_in = 0 if settings.resume else settings.burn_in
        self.nuts = BurnIn(settings, self.system, self.rng)

    @property
    def step_size(self) -> float:
        return float(self.tuning.step_size)

    def begin(self) -> None:
        if self.burn_in:
            self.nuts.start(self.point)
        if self.settings.warmup == 0:
            self._start()
            self.sampler.learn(Transition(self.point, 0.0), True)

    def transition(self) -> Transition:
        if self.done < self.burn_in:
            self.tuning.step_size = self.nuts.step
            return self.nuts(self.point, self.warmup.depth_limit(self.done))
        if self.warm:
            if self.done == self.burn_in:
                self._start()
                self.sampler.warm(True)
            self.sampler.prepare()
        return self.sampler(self.point)

    def after(self, result: Transition, warm: bool) -> tuple[float, ...]:
        if warm:
            self._learn(result)
            self.see_anew()
        added = 0.5 * float(np.sum(result.point.position[self.dim :] ** 2))
        return (
            result.point.log_density + added, 0, self.tuning.step_size, result.steps, 0,
            result.acceptance, result.energy_error, result.diverging, 0,
        )  # fmt: skip

    def own_fields(self) -> Fields:
        fields = numbers_of(self.tuning, _TUNED)
        if self.done < self.burn_in:
            fields |= self.nuts.averaging.fields()
        if self._started:
            fields |= self.sampler.fields(self.warm)
        return fields

    def take(self, fields: Fields) -> None:
        set_numbers(self.tuning, _TUNED, fields)
        if self.done < self.burn_in:
            self.nuts.averaging.restore(fields)
        if self._started:
            self.sampler.restore(fields, self.warm)

    @property
    def _started(self) -> bool:
        """At the end of the burn-in, the sampler starts with the next transition only."""
        return self.done > self.burn_in or self.settings.warmup == 0

    def _start(self) -> None:
        if self.settings.step_size > 0:
            self.tuning.step_size = self.settings.step_size
        self.sampler.start(self.point)

    def _learn(self, result: Transition) -> None:
        warmup, settings, sampler = self.warmup, self.settings, self.sampler
        warmup.update(self.done, result.depth, self.point)
        if self.done <= self.burn_in:
            return
        if self.done == warmup.last:
            if settings.length <= 0:
                self._set_length(np.array(warmup.positions))
            sampler.settle()
        last = self.done == settings.warmup
        sampler.learn(result, last)
        if last:
            sampler.warm(False)

    def _set_length(self, positions: np.ndarray) -> None:
        count = int(0.75 * len(positions))
        if count >= FEWEST:
            decoherence = autocorrelation_time(positions[-count:, : self.dim])
            self.tuning.length = self.settings.length_factor * decoherence * self.sampler.travelled
