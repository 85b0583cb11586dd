"""Transitions of NUTS and HMC in numpy, the twins of `native/nuts.hpp` and `native/hmc.hpp`.

NUTS: multinomial with the generalised U-turn criterion and checks across neighbouring subtrees
(Hoffman & Gelman 2014; Betancourt 2017); HMC: fixed path, jittered step (Neal 2011).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from probgen.inference.adapt.settings import Settings
from probgen.inference.phase_space import Hamiltonian, Point, energy_of

__all__ = ["Transition", "hmc_transition", "nuts_transition"]

MAX_STEPS = 1024
"""Of one HMC trajectory, whatever the integration time asks for."""


@dataclass
class Transition:
    """Where a transition ended and what it met on the way."""

    point: Point
    energy: float
    steps: int = 0
    depth: int = 0
    acceptance: float = 0.0
    energy_error: float = 0.0
    diverging: bool = False
    reached_max_depth: bool = False


@dataclass
class _Piece:
    """A stretch of trajectory: its end momenta, in order of building, and the sum of all."""

    begin: np.ndarray
    end: np.ndarray
    total: np.ndarray


class _Subtree:
    """The leaves beyond one end of a trajectory, and a proposal drawn among them."""

    def __init__(self, system: Hamiltonian, rng: np.random.Generator, settings: Settings,
                 initial_energy: float, end: tuple[Point, np.ndarray], step: float,
                 result: Transition):  # fmt: skip
        self.system, self.rng, self.settings, self.step = system, rng, settings, step
        self.initial_energy, self.result = initial_energy, result
        self.end = end
        self.log_weight = -math.inf
        self.proposal = end[0]
        self.proposal_energy = initial_energy

    def build(self, depth: int) -> _Piece | None:
        """Add 2**depth leaves; None when they turn back or diverge."""
        if depth == 0:
            return self._leaf()
        left = self.build(depth - 1)
        right = self.build(depth - 1) if left else None
        if left is None or right is None or _turns(left, right):
            return None
        return _Piece(left.begin, right.end, left.total + right.total)

    def _leaf(self) -> _Piece | None:
        point, momentum, energy = self.system.leapfrog(*self.end, self.step)
        self.end = (point, momentum)
        gain = self.initial_energy - energy
        self.result.steps += 1
        if not (energy > -math.inf and gain > -self.settings.max_energy_error):
            self.result.diverging = True
            return None
        self.result.acceptance += math.exp(min(0.0, gain))
        self.log_weight = float(np.logaddexp(self.log_weight, gain))
        if self.rng.random() < math.exp(gain - self.log_weight):
            self.proposal, self.proposal_energy = point, energy
        return _Piece(momentum, momentum, momentum)


def _turns(a: _Piece, b: _Piece) -> bool:
    """Whether two neighbouring pieces turn back.

    Looks at the whole, and at each piece with the nearest momentum of the other.
    """
    checks = ((a.begin, a.total + b.total, b.end),
              (a.begin, a.total + b.begin, b.begin),
              (a.end, b.total + a.end, b.end))  # fmt: skip
    return any(not (first @ total > 0 and last @ total > 0) for first, total, last in checks)


def nuts_transition(
    system: Hamiltonian, start: Point, step: float, limit: int, rng: np.random.Generator,
    settings: Settings,
) -> Transition:  # fmt: skip
    """One draw of the No-U-Turn sampler from `start`: steps of size `step`, `limit` doublings."""
    momentum = rng.standard_normal(start.position.size)
    initial_energy = energy_of(start, momentum)
    result = Transition(start, initial_energy)
    ends = [(start, momentum), (start, momentum)]
    total, log_weight = momentum, 0.0
    while result.depth < limit:
        side = int(rng.integers(2))
        signed = step if side else -step
        subtree = _Subtree(system, rng, settings, initial_energy, ends[side], signed, result)
        added = subtree.build(result.depth)
        if added is None:
            break
        result.depth += 1
        if rng.random() < math.exp(min(0.0, subtree.log_weight - log_weight)):
            result.point, result.energy = subtree.proposal, subtree.proposal_energy
        log_weight = float(np.logaddexp(log_weight, subtree.log_weight))
        so_far = _Piece(ends[1 - side][1], ends[side][1], total)
        total, ends[side] = total + added.total, subtree.end
        if _turns(so_far, added):
            break
    result.reached_max_depth = result.depth == settings.max_tree_depth
    result.acceptance /= max(1, result.steps)
    result.energy_error = result.energy - initial_energy
    return result


def hmc_transition(
    system: Hamiltonian, start: Point, step: float, limit: int, rng: np.random.Generator,
    settings: Settings,
) -> Transition:  # fmt: skip
    """One draw of HMC from `start`; the number of steps follows from the settings, not `limit`."""
    momentum = rng.standard_normal(start.position.size)
    initial_energy = energy = energy_of(start, momentum)
    result = Transition(start, initial_energy)
    jittered = step * (1 + settings.jitter * (2 * rng.random() - 1))
    steps = settings.num_steps or math.ceil(min(settings.trajectory_length / step, MAX_STEPS))
    point = start
    while result.steps < max(1, steps):
        point, momentum, energy = system.leapfrog(point, momentum, jittered)
        result.steps += 1
        if not (energy > -math.inf and initial_energy - energy > -settings.max_energy_error):
            result.diverging = True
            return result
    result.acceptance = math.exp(min(0.0, initial_energy - energy))
    if rng.random() < result.acceptance:
        result.point, result.energy = point, energy
    result.energy_error = result.energy - initial_energy
    return result
