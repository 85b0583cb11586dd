"""The steps of rejection: batches from the prior, of which the nearest rows are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probgen.errors import SamplingError
from probgen.inference.likelihood_free.population import Outcome, Population, joined
from probgen.inference.likelihood_free.settings import SimulationPlan
from probgen.progress import short_count

if TYPE_CHECKING:
    from probgen.inference.likelihood_free.rejection import RejectionABC

__all__ = ["Kept", "Nearest"]

_PLACE = 0xABC  # of its random numbers


@dataclass(frozen=True)
class Kept:
    """What is kept of the simulations made so far."""

    made: int = 0
    batches: int = 0
    near: Population | None = None
    """In the order they came: all within the tolerance, or the nearest, as many as are wanted."""


class Nearest:
    """`RejectionABC` with its plan."""

    def __init__(self, method: RejectionABC, plan: SimulationPlan) -> None:
        self.method, self.plan = method, plan
        self.wanted = plan.chains * plan.draws
        self.needed = method.needed(self.wanted)

    def begin(self) -> Kept:
        """Nothing kept, or what the plan's state says."""
        if (found := self.plan.state) is None:
            return Kept()
        return Kept(int(found["made"]), int(found["batches"]), Population.restored(found, ""))

    def arrays(self, state: Kept) -> dict[str, np.ndarray]:
        """All of a state."""
        near = {} if state.near is None else state.near.arrays("")
        return {"made": np.array(state.made), "batches": np.array(state.batches), **near}

    def goes_on(self, state: Kept) -> bool:
        """Until there are enough draws within the tolerance, or all simulations are made."""
        enough = self.method.epsilon is not None and _count(state.near) >= self.wanted
        return state.made < self.needed and not enough

    def step(self, state: Kept) -> Kept:
        """A batch from the prior."""
        plan = self.plan
        count = min(plan.simulator.batch, self.needed - state.made)
        seed = int(plan.generator(_PLACE, state.batches).integers(2**32))
        found = plan.simulator.from_prior(count, seed)
        near = Population.of(found, plan.comparison(found.data))
        return Kept(state.made + count, state.batches + 1, self.kept(state.near, near))

    def kept(self, before: Population | None, near: Population) -> Population:
        """The nearest rows of all, or those within the tolerance."""
        epsilon = self.method.epsilon
        limit = math.inf if epsilon is None else epsilon
        near = near.rows(np.flatnonzero(np.isfinite(near.distance) & (near.distance <= limit)))
        both = joined([before, near])
        if epsilon is not None or len(both) <= self.wanted:
            return both
        nearest = np.argpartition(both.distance, self.wanted - 1)[: self.wanted]
        return both.rows(np.sort(nearest))

    def told(self, state: Kept) -> tuple[int, int, str]:
        """Draws of a tolerance, or simulations of all that are needed."""
        near, epsilon = self._now(state), self.method.epsilon
        tolerance = _worst(near) if epsilon is None else epsilon
        rate = 100 * _count(near) / max(state.made, 1)
        doing = f"tolerance {tolerance:.3g}, {rate:.2g} % accepted"
        doing += f", {short_count(state.made)} simulations"
        if epsilon is None:
            return state.made, self.needed, doing
        return min(_count(near), self.wanted), self.wanted, doing

    def outcome(self, state: Kept, whole: bool) -> Outcome | None:
        """The draws, dealt to the chains in turn."""
        near, plan, epsilon = self._now(state), self.plan, self.method.epsilon
        if whole and _count(near) < self.wanted:
            raise SamplingError(self._too_few(state))
        draws = min(_count(near), self.wanted) // plan.chains
        if near is None or not draws:
            return None
        reached = _worst(near) if epsilon is None else float(epsilon)
        rows = np.arange(draws * plan.chains).reshape(draws, plan.chains).T
        history = {
            "epsilon": np.array([reached]),
            "acceptance_rate": np.array([len(near) / state.made]),
            "effective_size": np.array([float(rows.size)]),
            "simulations": np.array([state.made]),
        }
        notes = [] if whole else [self._stopped(state, draws, reached)]
        return Outcome(
            {name: value[rows] for name, value in near.values.items()},
            near.distance[rows],
            np.full(rows.shape, 1 / draws),
            reached,
            state.made,
            [float(draws)] * plan.chains,
            history,
            notes,
        )

    def _now(self, state: Kept) -> Population | None:
        """What is near enough by now: before the end, the share asked for of what was made."""
        near, share = state.near, self.method.quantile
        if self.method.epsilon is not None or near is None or state.made >= self.needed:
            return near
        found = min(len(near), int(state.made * share))
        return near.rows(np.sort(np.argsort(near.distance, kind="stable")[:found]))

    def _stopped(self, state: Kept, draws: int, reached: float) -> str:
        there = f"{draws} of {self.plan.draws} draws of each chain are there"
        if self.method.epsilon is not None:
            return (
                f"Interrupted after {state.made} simulations: {there}, the first ones of the "
                "whole run. A stored run goes on by resume."
            )
        return (
            f"Interrupted after {state.made} of {self.needed} simulations: {there}, the nearest "
            f"{100 * self.method.quantile:g} % so far, within {reached:.3g}. A stored run goes "
            "on by resume, and then keeps the nearest of all."
        )

    def _too_few(self, state: Kept) -> str:
        found, made = _count(state.near), state.made
        if self.method.epsilon is None:
            return (
                f"RejectionABC: only {found} of {made} simulations have a finite distance, "
                f"and {self.wanted} are to be kept. Look for NaN in what the program draws."
            )
        return (
            f"RejectionABC(epsilon={self.method.epsilon:g}): {found} of {made} simulations came "
            f"that near, and {self.wanted} draws were asked for. Take a larger epsilon (or "
            "quantile=0.01, which finds one), fewer and better summaries, fewer draws, or "
            "SMCABC(), which walks towards the data."
        )


def _count(near: Population | None) -> int:
    return 0 if near is None else len(near)


def _worst(near: Population | None) -> float:
    return float(near.distance.max()) if near is not None and len(near) else math.inf
