"""One run of parallel tempering: start, warm-up with moving levels, draws."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.pieces import Pieces, each_chain
from probgen.inference.graphical.sweeps.engine import StateCounter
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.inference.graphical.tempering.bridge import Bridge, bridge_constants
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.pilot import Pilot
from probgen.inference.graphical.tempering.positions import levels_for, respaced
from probgen.inference.graphical.tempering.replicas import Iteration, Replicas
from probgen.inference.graphical.tempering.schedule import Schedule, Settings
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.results.store.state import KernelState
from probgen.targets.factors import Factors

__all__ = ["Run", "cold_states"]

_GROUPS = 64
"""Groups of draws, over all ladders, between which the error of the evidence is found."""


def cold_states(factors: Factors, first: Pilot, plan: GraphPlan) -> np.ndarray:
    """Possible states of the network, (n, C): where the pilot ended if it reached some."""
    if first.weights.ess == 0:
        return starting_states(factors, plan.chains, plan.seed)
    chosen = np.linspace(0, first.states.shape[1], plan.chains, endpoint=False).astype(int)
    return np.ascontiguousarray(first.states[:, first.weights.resample(0.5)[chosen]])


class Run:
    """Replicas of `plan.chains` ladders and what is gathered from them."""

    def __init__(
        self,
        method: Settings,
        path: Path,
        plan: GraphPlan,
        positions: np.ndarray,
        cold: np.ndarray,
        spread: Callable = map,
    ):
        """`positions` of the levels to begin with; `cold`: states of the network, (n, C)."""
        self.method, self.plan = method, plan
        self.replicas = Replicas(path, positions, cold, plan.seed, spread)
        cards = path.factors.cards
        self.counts = StateCounts(cards, plan.chains)
        self._counter = StateCounter(np.arange(len(cards)), cards)
        # A batch ends with the first draw past an equal share of all draws.
        batches = StateCounts.batches(plan.chains, plan.draws)
        self._ends = [-(-k * plan.draws // batches) for k in range(1, batches + 1)]
        self._density = LogJoint(path.factors)
        self._schedule = Schedule.of(plan.warmup)
        self._groups = -(-_GROUPS // plan.chains)
        self.bridge = Bridge(np.zeros(len(positions) - 1), self._groups, plan.chains)
        self._refused = np.zeros(len(positions) - 1)
        self._ups: list[np.ndarray] = []
        self._downs: list[np.ndarray] = []
        self.done = self.updates = 0
        self.seconds = {"pilot": 0.0, "warmup": 0.0, "sampling": 0.0}
        self.interrupted = False
        if plan.state is not None:
            self._restore(plan.state)
        self._pieces = Pieces(plan.keep, self.done, plan.draws, cold.nbytes)
        self._pieces.goes_on_from(-1 if plan.state is None else self.replicas.iterations)
        room = self._pieces.room
        self._draws = np.empty((plan.chains, room, len(cards)), dtype=cold.dtype)
        self._log_joint = np.empty((plan.chains, room))

    @property
    def draws(self) -> np.ndarray:
        """The draws that were not handed over, (chain, draw, variable)."""
        return self._draws[:, : self._pieces.filled]

    def stats(self) -> dict[str, np.ndarray]:
        """Of these draws, (chain, draw)."""
        return {"log_joint": self._log_joint[:, : self._pieces.filled]}

    @property
    def acceptance(self) -> np.ndarray:
        """Mean swap rates between neighbours while sampling."""
        return 1 - self._refused / max(1, self.done)

    def work(self) -> None:
        """Place the levels, let them settle, draw; Ctrl-C keeps finished draws, if any."""
        plan = self.plan
        try:
            with WholeSteps() as whole:
                if plan.warmup == 0 and plan.state is None:
                    self._settle()
                while self.replicas.iterations < plan.warmup:
                    whole(self._timed, "warmup", self._warm_up)
                    self._tell("warm-up", self.replicas.iterations)
                    self._hand_over(self.replicas.iterations == plan.warmup)
                while self.done < plan.draws:
                    whole(self._timed, "sampling", self._draw)
                    self._tell("sampling", plan.warmup + self.done)
                    self._hand_over(self.done == plan.draws)
        except KeyboardInterrupt:
            self._hand_over(last=True)
            if not self.done:
                raise
            self.interrupted = True
        self.counts.close()

    def _timed(self, phase: str, step: Callable[[], None]) -> None:
        started = time.perf_counter()
        step()
        self.seconds[phase] += time.perf_counter() - started

    def _warm_up(self) -> None:
        """One iteration of the warm-up, and what is learnt at the end of a round of them."""
        number = self.replicas.iterations
        seen = self._iterate()
        if number < self._schedule.placed:
            self._refused += 1 - seen.acceptance.mean(axis=1)
        elif number >= self._schedule.settled:
            self._ups.append(seen.up)
            self._downs.append(seen.down)
        length = self._schedule.rounds.get(number + 1)
        if length:
            positions = self._respaced(self._refused / length)
            self.replicas.place(positions)
            self._refused = np.zeros(len(positions) - 1)
        if number + 1 == self.plan.warmup:
            self._settle()

    def _settle(self) -> None:
        """Find the bridge's constants; from here on the ladder stands."""
        constants = np.zeros(len(self.replicas.positions) - 1)
        if self._ups:
            constants = bridge_constants(np.array(self._ups), np.array(self._downs))
        self._ups, self._downs = [], []
        self.bridge = Bridge(constants, self._groups, self.plan.chains)
        self._refused = np.zeros(len(constants))
        self.replicas.forget_trips()

    def _draw(self) -> None:
        """One iteration, whose states are a draw; rejection rates are added up."""
        seen = self._iterate()
        self._refused += 1 - seen.acceptance.mean(axis=1)
        self.bridge.add(self.done * self._groups // self.plan.draws, seen.up, seen.down)
        states = self.replicas.states[-1]
        place = self._pieces.filled
        self._draws[:, place] = states.T
        self._log_joint[:, place] = self._density(states)
        self._counter.add(states, self.counts.counts)
        self.counts.open_sweeps += 1
        self.done += 1
        self._pieces.filled += 1
        if self.done in self._ends:
            self.counts.close()

    def _hand_over(self, last: bool) -> None:
        """Hand a piece over if it is time, or `last`."""
        if last or self._pieces.due():
            warm = None if self.done else self.replicas.iterations
            self._pieces.hand_over(self._state, self.draws, self.stats, warm)

    def _state(self) -> KernelState:
        chains = self.plan.chains
        pairs = len(self.replicas.positions) - 1
        shared = {"refused": self._refused, "planned_draws": np.int64(self.plan.draws)}
        seen = {"warm_up": self._ups, "warm_down": self._downs}
        weights = {n: np.array(v).reshape(-1, pairs, chains) for n, v in seen.items()}
        return KernelState(
            iteration=self.replicas.iterations,
            position=self.replicas.states[-1].T,
            rng=self.replicas.rng_words(),
            adaptation={
                **self.replicas.arrays(),
                **self.counts.arrays(),
                **self.bridge.arrays(),
                **{n: each_chain(values, chains) for n, values in shared.items()},
                **{n: values.transpose(2, 0, 1) for n, values in weights.items()},
            },
            counters={
                "variable_updates": each_chain(np.int64(self.updates // chains), chains),
                **{f"seconds_{n}": each_chain(value, chains) for n, value in self.seconds.items()},
            },
        )

    def _restore(self, state: KernelState) -> None:
        plan, learnt = self.plan, state.adaptation
        self.replicas.restore(learnt, state.rng, state.iteration)
        self.done = max(0, state.iteration - plan.warmup)
        self.counts.restore(learnt, self._ends)
        self.bridge = Bridge(learnt["bridge_constants"][0].copy(), self._groups, plan.chains)
        self.bridge.restore(learnt, max(1.0, plan.draws / max(1, int(learnt["planned_draws"][0]))))
        self._refused = learnt["refused"][0].copy()
        self._ups, self._downs = (
            list(learnt[name].transpose(1, 2, 0).copy()) for name in ("warm_up", "warm_down")
        )
        self.updates = int(state.counters["variable_updates"][0]) * plan.chains
        for name in self.seconds:
            self.seconds[name] = float(state.counters[f"seconds_{name}"][0])

    def _iterate(self) -> Iteration:
        seen = self.replicas.iterate(self.method.sweeps)
        self.updates += self.replicas.states.size * self.method.sweeps
        return seen

    def _tell(self, what: str, done: int) -> None:
        if self.plan.progress:
            self.plan.progress(done, self.plan.warmup + self.plan.draws, what)

    def _respaced(self, rejections: np.ndarray) -> np.ndarray:
        method = self.method
        levels = method.levels or levels_for(
            float(rejections.sum()), method.target_swap, method.most_levels
        )
        return respaced(self.replicas.positions, rejections, levels)
