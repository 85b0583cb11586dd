"""Annealed estimates of log Z, walks back that check them, and their refusal.

Salakhutdinov & Murray (2008); Burda, Grosse & Salakhutdinov (2015) for the walks back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import SamplingError
from probgen.inference.boltzmann.likelihood.base import base_biases, named_base
from probgen.inference.boltzmann.likelihood.path import Particles, Path, Rise
from probgen.inference.boltzmann.likelihood.result import LogPartition
from probgen.inference.boltzmann.likelihood.walk import backward, forward
from probgen.inference.graphical.annealed_importance import LEAST_ESS, AnnealedImportance
from probgen.inference.graphical.tempering.pilot import PARTICLES, steer
from probgen.inference.graphical.tempering.positions import fixed_positions
from probgen.inference.graphical.tempering.weights import Weights
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = ["Annealing", "annealed_log_partition"]

_RELAXATION = 50
"""Sweeps at the machine between resampling and walking back, where there are no data."""
_FAR = 4.0
"""Errors by which walks forward and back may differ,"""
_NEAR = 0.2
"""and nats beside, since errors of few particles are rough."""
_BACK_CASES = 100


@dataclass(frozen=True, eq=False)
class Annealing:
    """log Z, and what the walks back from data told.

    numbers: of the cases that were walked back from, (cases,). back: log partition functions
    found by the walks from each, (cases,). None without data, and of deep machines.
    """

    log_z: LogPartition
    numbers: np.ndarray | None = None
    back: np.ndarray | None = None


@torch.no_grad()
def annealed_log_partition(
    machine: BoltzmannMachine,
    method: AnnealedImportance,
    chains: int,
    seed: int,
    visible: Tensor | None = None,
    hidden: bool = False,
) -> Annealing:
    """Estimate log Z; `visible` are states of data, for the base rates and for walks back, and
    `hidden` is whether layer 1 begins at base rates too.

    Raises `SamplingError` when the weights lie on fewer than ten particles, or when walks back
    say something else.
    """
    started, stream = time.perf_counter(), Stream(seed)
    base = named_base(method.base, visible)
    path = Path(machine, base_biases(machine, base, visible, hidden))
    positions = _positions(path, method, stream)
    particles, weights = forward(path, positions, chains, method.sweeps, stream)
    settings = {
        "chains": chains,
        "betas": method.betas,
        "schedule": method.schedule,
        "base": base,
        "sweeps": method.sweeps,
    }
    if weights.ess < LEAST_ESS:
        what = f"only {weights.ess:.1f} of {chains} particles carry the weight, at least 10 must"
        raise SamplingError(_refusal(what, settings))
    value, error = path.log_base + weights.log_mean, weights.log_mean_error
    ends = np.log(np.maximum([1 - 3 * error, 1 + 3 * error], 1e-300))
    found = LogPartition(
        value,
        "AnnealedImportance",
        error,
        (value + float(ends[0]), value + float(ends[1])),
        weights.ess,
        settings=settings,
        notes=("No walks back have checked this.",),
        reliable=False,
    )
    if not method.reverse:
        return Annealing(_timed(found, started))
    numbers = None
    if visible is not None and len(machine.layers) == 2:
        numbers = _some_cases(len(visible), chains, stream)
        starts: Particles = [visible[torch.as_tensor(numbers)].to(path.base[0]), None]
    else:
        starts = _relaxed(path, particles, weights, stream)
    back = backward(path, positions, starts, method.sweeps, stream)
    log_z = _checked(found, path.log_base, back)
    if numbers is None:
        return Annealing(_timed(log_z, started))
    cases, each = np.unique(numbers, return_inverse=True)
    by_case = [Weights(back.log[each == case]).log_mean for case in range(len(cases))]
    return Annealing(_timed(log_z, started), cases, path.log_base - np.array(by_case))


@dataclass(frozen=True)
class _MachineCourse:
    """The course of a machine's path, for a pilot."""

    path: Path
    stream: Stream

    def start(self) -> Particles:
        return self.path.draw_base(PARTICLES, self.stream)

    def statistics(self, states: Particles) -> Rise:
        return self.path.statistics(states)

    def move(self, states: Particles, s: float, number: int) -> Particles:
        return self.path.sweep(self.path.statistics(states), s, self.stream)

    def choose(self, states: Particles, which: np.ndarray) -> Particles:
        rows = torch.as_tensor(which)
        return [None if state is None else state[rows.to(state.device)] for state in states]


def _positions(path: Path, method: AnnealedImportance, stream: Stream) -> np.ndarray:
    if method.schedule != "adaptive":
        return fixed_positions(method.schedule, method.betas)
    rng = np.random.default_rng(stream.key())
    return steer(_MachineCourse(path, stream), rng.random).positions(method.betas)


def _some_cases(count: int, chains: int, stream: Stream) -> np.ndarray:
    """Numbers of cases to walk back from, each as often as the number of particles allows."""
    cases = min(count, chains, _BACK_CASES)
    chosen = torch.randperm(count, generator=stream.generator())[:cases]
    return np.repeat(chosen.sort().values.numpy(), chains // cases)


def _relaxed(path: Path, particles: Particles, weights: Weights, stream: Stream) -> Particles:
    """Particles resampled by their weights, and some sweeps on: nearly draws of the machine."""
    which = weights.resample(np.random.default_rng(stream.key()).random())
    states = _MachineCourse(path, stream).choose(particles, which)
    for _ in range(_RELAXATION):
        states = path.sweep(path.statistics(states), 1.0, stream)
    return states


def _checked(found: LogPartition, log_base: float, back: Weights) -> LogPartition:
    """What walks back say of log Z, beside the walks forward; raises `SamplingError`."""
    above, error = log_base - back.log_mean, back.log_mean_error
    if back.ess < LEAST_ESS:
        what = f"only {back.ess:.1f} of {len(back.log)} walks back carry their weight"
        raise SamplingError(_refusal(what, found.settings))
    if abs(above - found.value) > _FAR * float(np.hypot(error, found.error)) + _NEAR:
        what = (
            f"walks forward find log Z = {found.value:.2f}, walks back {above:.2f}, which their "
            f"errors ({found.error:.2f} and {error:.2f}) do not explain"
        )
        raise SamplingError(_refusal(what, found.settings))
    return replace(found, above=above, above_error=error, reliable=True, notes=())


def _refusal(what: str, settings: dict[str, Any]) -> str:
    cure = f"Take more betas (now {settings['betas']}) or more chains (now {settings['chains']})"
    if settings["base"] != "data":
        cure += f", or begin at the base rates of data (base='data', now {settings['base']!r})"
    return f"AnnealedImportance: {what}; log Z would be a guess. {cure}."


def _timed(log_z: LogPartition, started: float) -> LogPartition:
    return replace(log_z, seconds=time.perf_counter() - started)
