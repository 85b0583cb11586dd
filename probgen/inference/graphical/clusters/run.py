"""One run of Swendsen-Wang: slices of sweeps over all chains, threads within a slice."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from probgen.inference.graphical.clusters.marginals import BatchMeans
from probgen.inference.graphical.clusters.model import Ferromagnet
from probgen.inference.graphical.clusters.sweep import NativeSweep, NumpySweep
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.pieces import Pieces, check_chains, counter_words, each_chain
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.results.store.state import KernelState

__all__ = ["ClusterRun"]

_SLICE = 2_000_000
"""Edges and vertices visited by one thread between looks at Ctrl-C: about 0.1 s."""


class ClusterRun:
    """The chains of one run; `thin` sweeps for each draw.

    States are those of `model`, in which some variables may be flipped; what leaves the run, in
    pieces or as its result, is as the user's network has it.
    """

    def __init__(
        self,
        model: Ferromagnet,
        plan: GraphPlan,
        sweep: NativeSweep | NumpySweep,
        thin: int,
        log_joint: LogJoint,
    ):
        self.model, self.plan, self.sweep, self.thin = model, plan, sweep, thin
        n, stride = model.field.shape
        self._flips = model.flipped.astype(np.uint8)
        self.means = BatchMeans(model.cards, plan.chains, plan.draws)
        self.done = self._warmed = 0
        self.interrupted = False
        self.seconds = 0.0
        self._in_batch = 0
        self._sums = np.zeros((plan.chains, n, stride))
        self._states = np.zeros((plan.chains, n), dtype=np.uint8)
        # Where each state's sum stands, in the user's order of states.
        steps = [np.arange(card)[:: -1 if flip else 1] for card, flip in
                 zip(model.cards, model.flipped, strict=True)]  # fmt: skip
        places = [v * stride + step for v, step in enumerate(steps)]
        self._places = np.concatenate([*places, np.zeros(0, dtype=np.int64)])
        self._key = int(np.random.SeedSequence(plan.seed % 2**128).generate_state(1, np.uint64)[0])
        cost = max(1, n + len(model.ends))
        chains = -(-plan.chains // max(1, plan.threads))
        self._slice = max(1, _SLICE // (cost * chains))
        self._log_joint = log_joint
        if plan.state is not None:
            self._restore(plan.state)
        self._pieces = Pieces(plan.keep, self.done, plan.draws, self._states.nbytes)
        self._pieces.goes_on_from(-1 if plan.state is None else self._iteration)
        self._draws = np.empty((plan.chains, self._pieces.room, n), dtype=np.uint8)

    def start(self, cluster: np.ndarray, field: np.ndarray) -> None:
        """Begin at states drawn from the fields alone, equal where they must be."""
        for chain in range(self.plan.chains):
            rng = np.random.default_rng([self.plan.seed % 2**128, chain])
            gumbel = rng.gumbel(size=field.shape)
            # Spread out beyond the fields, so that chains which agree later have converged.
            best = np.argmax(np.where(np.isneginf(field), field, gumbel), axis=1)
            self._states[chain] = best[cluster]

    @property
    def _iteration(self) -> int:
        return self._warmed + self.done * self.thin

    @property
    def draws(self) -> np.ndarray:
        """The draws that were not handed over, (chain, draw, variable)."""
        held = self._draws[:, : self._pieces.filled]
        return held ^ self._flips if self._flips.any() else held

    def stats(self) -> dict[str, np.ndarray]:
        """Of these draws, (chain, draw)."""
        return {"log_joint": self._log_joint(self.draws.transpose(0, 2, 1))}

    def work(self) -> None:
        """Warm up, then draw; Ctrl-C keeps the draws that are finished, if any."""
        plan = self.plan
        total = plan.warmup + plan.draws * self.thin
        try:
            with ThreadPoolExecutor(max(1, plan.threads)) as pool, WholeSteps() as whole:
                while self._warmed < plan.warmup:
                    whole(self._warm_up, pool.map)
                    self._tell(self._warmed, total, "warm-up")
                    self._hand_over(self._warmed == plan.warmup)
                while self.done < plan.draws:
                    room = min(self._pieces.free, plan.draws - self.done)
                    left = min(room, self.means.length - self._in_batch)
                    draws = min(max(1, self._slice // self.thin), left)
                    whole(self._draw, pool.map, draws)
                    self._tell(self._iteration, total, "sampling")
                    self._hand_over(self.done == plan.draws)
        except KeyboardInterrupt:
            self._hand_over(last=True)
            if not self.done:
                raise
            self.interrupted = True
        self._close_batch()

    def _hand_over(self, last: bool) -> None:
        """Hand a piece over if it is time, or `last`."""
        if last or self._pieces.due():
            warm = None if self.done else self._iteration
            self._pieces.hand_over(self._state, self.draws, self.stats, warm)

    def _state(self) -> KernelState:
        chains = self.plan.chains
        return KernelState(
            iteration=self._iteration,
            position=self._states ^ self._flips,
            rng=counter_words(self._key, self._iteration, chains),
            adaptation={
                "open_sums": self._sums,
                "open_draws": each_chain(np.int64(self._in_batch), chains),
                **self.means.arrays(),
            },
            counters={"seconds_sampling": each_chain(self.seconds, chains)},
        )

    def _restore(self, state: KernelState) -> None:
        plan = self.plan
        check_chains(state, plan.chains, len(self.model.cards), self._key)
        self._states[:] = state.position ^ self._flips
        self._warmed = min(state.iteration, plan.warmup)
        self.done = (state.iteration - self._warmed) // self.thin
        self._sums[:] = state.adaptation["open_sums"]
        self._in_batch = int(state.adaptation["open_draws"][0])
        self.means.restore(state.adaptation, plan.draws - self.done)
        if self._in_batch >= self.means.length:
            self._close_batch()
        self.seconds = float(state.counters["seconds_sampling"][0])

    def _close_batch(self) -> None:
        if self._in_batch:
            sums = self._sums.reshape(self.plan.chains, -1)[:, self._places]
            self.means.add(sums / self.thin, self._in_batch)
            self._sums[:] = 0
            self._in_batch = 0

    def _warm_up(self, run: Callable) -> None:
        sweeps = min(self._slice, self.plan.warmup - self._warmed)
        self._spread(run, self._warmed, sweeps, None, None)
        self._warmed += sweeps

    def _draw(self, run: Callable, draws: int) -> None:
        first, filled = self._iteration, self._pieces.filled
        window = self._draws[:, filled : filled + draws]
        if self.thin == 1:
            self._spread(run, first, draws, window, self._sums)
        else:
            for d in range(draws):
                self._spread(run, first + d * self.thin, self.thin, None, self._sums)
                window[:, d] = self._states
        self.done += draws
        self._pieces.filled += draws
        self._in_batch += draws
        if self._in_batch >= self.means.length:
            self._close_batch()

    def _spread(self, run: Callable, first: int, sweeps: int,
                draws: np.ndarray | None, sums: np.ndarray | None) -> None:  # fmt: skip
        """Sweep all chains, a range of them on each thread."""
        started = time.perf_counter()
        cuts = np.linspace(0, self.plan.chains, max(1, self.plan.threads) + 1).astype(int)
        parts = [range(a, b) for a, b in pairwise(cuts) if b > a]
        # The list is what waits for the threads and raises their errors.
        list(run(lambda part: self.sweep(self._states, self._key, first, sweeps, part, draws,
                                         sums), parts))  # fmt: skip
        self.seconds += time.perf_counter() - started

    def _tell(self, done: int, total: int, what: str) -> None:
        if self.plan.progress:
            self.plan.progress(done, total, what)
