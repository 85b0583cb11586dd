"""A Gibbs run: sweeps over all chains, one draw kept in a number of them."""

from __future__ import annotations

import numpy as np

from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.pieces import check_chains
from probgen.inference.graphical.sliced import SlicedRun, Snapshot
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.results.store.state import KernelState
from probgen.targets.factors import Factors

__all__ = ["GibbsRun"]


class GibbsRun(SlicedRun):
    """Warm-up and draws of one run; `every` sweeps for each draw kept.

    `states` (variable, chain) are those to start from; where the plan has a state, they are
    replaced by its states.
    """

    _counts: StateCounts

    def __init__(
        self,
        factors: Factors,
        plan: GraphPlan,
        sweeps: Sweeps,
        key: int,
        every: int,
        thin: int,
        states: np.ndarray,
    ):
        counts = StateCounts(factors.cards, plan.chains)
        super().__init__(plan, counts, every, plan.draws * thin // every)
        self._sweeps, self._states, self._key = sweeps, states, key
        self._open(states.nbytes)
        self._draws = np.empty((self._pieces.room, *states.shape), dtype=states.dtype)
        self._log_joint = LogJoint(factors)

    def _warm_up(self, count: int) -> None:
        self._sweeps.sweep(
            self._states, self._key, self._done, count, threads=self._plan.threads,
            thin=self._every,
        )  # fmt: skip
        self._done += count

    def _draw(self, count: int) -> None:
        """So many draws; the states count at every sweep, kept or not."""
        first, sweeps = self._pieces.filled, count * self._every
        self._sweeps.sweep(
            self._states, self._key, self._done, sweeps, threads=self._plan.threads,
            thin=self._every, counts=self._counts.counts, draws=self._draws[first : first + count],
        )  # fmt: skip
        self._done += sweeps
        self._counts.open_sweeps += sweeps
        self._pieces.filled += count

    @property
    def _held(self) -> np.ndarray:
        """The draws that were not handed over, (chain, draw, variable)."""
        return self._draws[: self._pieces.filled].transpose(2, 0, 1)

    def _held_stats(self) -> dict[str, np.ndarray]:
        found = self._log_joint(self._draws[: self._pieces.filled])
        return {"log_joint": np.ascontiguousarray(found.T)}

    def _made(self) -> int:
        return self._sweeps.update_count

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._states.T, self._key, self._done, {})

    def _put_back(self, state: KernelState) -> None:
        check_chains(state, self._plan.chains, len(self._states), self._key)
        self._states[:] = state.position.T
