"""Swendsen-Wang: whole clusters of a ferromagnet change at once (Swendsen & Wang 1987).

At a critical point or at low temperature, where single-site samplers stand still for ages,
clusters move within a few sweeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from probgen.errors import BuildError, OptionError
from probgen.inference.graphical.clusters.marginals import BatchMeans
from probgen.inference.graphical.clusters.model import (
    Ferromagnet,
    check_possible,
    ferromagnet,
    permanent_clusters,
)
from probgen.inference.graphical.clusters.sweep import NativeSweep, NumpySweep
from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.targets.factors import Factors

__all__ = ["SwendsenWang"]

_SLICE = 2_000_000
"""Edges and vertices visited by one thread between looks at Ctrl-C: about 0.1 s."""


@dataclass(frozen=True)
class SwendsenWang:
    """Cluster sampling of ferromagnetic pairs: Ising and Potts models on any graph.

    Couplings may differ from edge to edge (and, with three states or more, from state to state),
    any field may act, binary networks may be antiferromagnetic as far as flipping some of their
    variables cures it. Marginals are averages of the clusters' exact state probabilities.

    Args:
        thin: sweeps per draw.

    Raises `OptionError` for a wrong setting, `ModelError` naming the factor for networks that are
    no ferromagnets, `EvidenceError` when a variable is left without a state.

    Example:
        >>> SwendsenWang()
        SwendsenWang(thin=1)
    """

    thin: int = 1
    name: ClassVar[str] = "SwendsenWang"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 200}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not isinstance(self.thin, int) or isinstance(self.thin, bool) or self.thin < 1:
            raise OptionError(f"SwendsenWang(thin={self.thin!r}): it must be an integer from 1.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Draw states and average marginals as `plan` says."""
        started = time.perf_counter()
        model = ferromagnet(factors)
        cluster, field = permanent_clusters(model)
        check_possible(factors, cluster, field)
        sweep, notes = _engine(model)
        run = _Run(self, model, plan, sweep)
        states = run.start(cluster, field)
        ready = time.perf_counter()
        run.work(states)
        flips = model.flipped.astype(np.uint8)
        draws = run.draws[:, : run.done] ^ flips
        if model.flipped.any():
            notes.append(
                f"{int(flips.sum())} of {len(flips)} variables were flipped inside the sampler to "
                "make all couplings ferromagnetic."
            )
        sweeps = plan.warmup + run.done * self.thin
        return GraphResult(
            marginals=run.means.marginals(),
            states=draws,
            stats={"log_joint": LogJoint(factors)(draws.transpose(0, 2, 1))},
            summary={
                "engine": sweep.engine,
                "seconds_setup": ready - started,
                "seconds_sampling": time.perf_counter() - ready,
                "variable_updates": sweeps * plan.chains * len(model.cards),
                "edges": len(model.ends),
                "flipped": int(flips.sum()),
                "interrupted": run.interrupted,
                "notes": notes,
            },
        )


def _engine(model: Ferromagnet) -> tuple[NativeSweep | NumpySweep, list[str]]:
    native = NativeSweep(model)
    try:
        _ = native.library
    except BuildError as error:
        return NumpySweep(model), [
            f"Native code could not be built, so slow sweeps in Python were used: {error}"
        ]
    return native, []


class _Run:
    """The chains of one run: slices of sweeps over all chains, threads within a slice."""

    def __init__(
        self,
        method: SwendsenWang,
        model: Ferromagnet,
        plan: GraphPlan,
        sweep: NativeSweep | NumpySweep,
    ):
        self.model, self.plan, self.sweep, self.thin = model, plan, sweep, method.thin
        n, stride = model.field.shape
        self.draws = np.empty((plan.chains, plan.draws, n), dtype=np.uint8)
        self.means = BatchMeans(model.cards, plan.chains, plan.draws)
        self.done = 0
        self.interrupted = False
        self._in_batch = 0
        self._sums = np.zeros((plan.chains, n, stride))
        # Where each state's sum stands, in the user's order of states.
        steps = [np.arange(card)[:: -1 if flip else 1] for card, flip in
                 zip(model.cards, model.flipped, strict=True)]  # fmt: skip
        places = [v * stride + step for v, step in enumerate(steps)]
        self._places = np.concatenate([*places, np.zeros(0, dtype=np.int64)])
        self._key = int(np.random.SeedSequence(plan.seed % 2**128).generate_state(1, np.uint64)[0])
        cost = max(1, n + len(model.ends))
        chains = -(-plan.chains // max(1, plan.threads))
        self._slice = max(1, _SLICE // (cost * chains))

    def start(self, cluster: np.ndarray, field: np.ndarray) -> np.ndarray:
        """States drawn from the fields alone, equal where they must be; (C, n) uint8."""
        states = np.empty((self.plan.chains, len(self.model.cards)), dtype=np.uint8)
        for chain in range(self.plan.chains):
            rng = np.random.default_rng([self.plan.seed % 2**128, chain])
            gumbel = rng.gumbel(size=field.shape)
            # Spread out beyond the fields, so that chains which agree later have converged.
            states[chain] = np.argmax(np.where(np.isneginf(field), field, gumbel), axis=1)[cluster]
        return states

    def work(self, states: np.ndarray) -> None:
        """Warm up, then draw; Ctrl-C keeps the draws that are finished, if any."""
        plan = self.plan
        total = plan.warmup + plan.draws * self.thin
        try:
            with ThreadPoolExecutor(max(1, plan.threads)) as pool, WholeSteps() as whole:
                self._warm_up(states, pool.map, total)
                while self.done < plan.draws:
                    left = self.means.length - self._in_batch
                    draws = min(max(1, self._slice // self.thin), left, plan.draws - self.done)
                    whole(self._draw, states, pool.map, draws)
                    self._tell(plan.warmup + self.done * self.thin, total, "sampling")
                    if self._in_batch == self.means.length:
                        self._close_batch()
        except KeyboardInterrupt:
            if not self.done:
                raise
            self.interrupted = True
        self._close_batch()

    def _close_batch(self) -> None:
        if self._in_batch:
            sums = self._sums.reshape(self.plan.chains, -1)[:, self._places]
            self.means.add(sums / self.thin, self._in_batch)
            self._sums[:] = 0
            self._in_batch = 0

    def _warm_up(self, states: np.ndarray, run: Callable, total: int) -> None:
        done = 0
        while done < self.plan.warmup:
            sweeps = min(self._slice, self.plan.warmup - done)
            self._spread(run, states, done, sweeps, None, None)
            done += sweeps
            self._tell(done, total, "warm-up")

    def _draw(self, states: np.ndarray, run: Callable, draws: int) -> None:
        first = self.plan.warmup + self.done * self.thin
        window = self.draws[:, self.done : self.done + draws]
        if self.thin == 1:
            self._spread(run, states, first, draws, window, self._sums)
        else:
            for d in range(draws):
                self._spread(run, states, first + d * self.thin, self.thin, None, self._sums)
                window[:, d] = states
        self.done += draws
        self._in_batch += draws

    def _spread(self, run: Callable, states: np.ndarray, first: int, sweeps: int,
                draws: np.ndarray | None, sums: np.ndarray | None) -> None:  # fmt: skip
        """Sweep all chains, a range of them on each thread."""
        cuts = np.linspace(0, self.plan.chains, max(1, self.plan.threads) + 1).astype(int)
        parts = [range(a, b) for a, b in pairwise(cuts) if b > a]
        # The list is what waits for the threads and raises their errors.
        list(run(lambda part: self.sweep(states, self._key, first, sweeps, part, draws, sums),
                 parts))  # fmt: skip

    def _tell(self, done: int, total: int, what: str) -> None:
        if self.plan.progress:
            self.plan.progress(done, total, what)
