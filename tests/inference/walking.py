"""A sampler in pieces that needs no compiler: random-walk Metropolis in Python.

Its random numbers belong to (seed, chain, transition), so that its state is its position. Tests
of stores use it to see every piece; `piece` is how many transitions one is long.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.results.store.state import KernelState, Piece


@dataclass(frozen=True, repr=False)
class Walk:
    step: float = 0.5
    piece: int = 7
    nap: float = 0.0

    @property
    def name(self) -> str:
        return "Walk"

    def __repr__(self) -> str:
        return f"Walk(step={self.step})"  # of variants for tests too: their draws are the same

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        return _Run(self, density, plan).draws()


class _Run:
    def __init__(self, method: Walk, density: DensityLike, plan: Plan):
        self.method, self.density, self.plan = method, density, plan
        self.done = plan.state.iteration if plan.state else 0
        self.at = (plan.state.position if plan.state else plan.initial).copy()
        self.first = self.since = max(0, self.done - plan.warmup)
        self.kept: list[np.ndarray] = []
        self.lp: list[np.ndarray] = []

    def draws(self) -> Draws:
        plan, interrupted = self.plan, False
        total = plan.warmup + plan.draws
        try:
            while self.done < total:
                self.transition()
                ends = self.done in (plan.warmup, total)
                if plan.keep and (ends or self.done % self.method.piece == 0):
                    self.hand_over(plan.keep)
        except KeyboardInterrupt:
            interrupted = True
            if self.done <= plan.warmup:
                raise
        found = self.arrays() if plan.keep is None else (np.empty((plan.chains, 0, 0)), {})
        summary = {"interrupted": interrupted, "seconds_sampling": 1.0}
        return Draws(*found, summary=summary, adaptation={"position": self.at})

    def transition(self) -> None:
        plan, dim = self.plan, self.density.dim
        for chain, here in enumerate(self.at):
            key = np.array([plan.seed, chain], dtype=np.uint64)
            bits = np.random.Philox(key=key).advance(self.done * (dim + 4))
            rng = np.random.Generator(bits)
            there = here + self.method.step * (rng.random(dim) - 0.5)
            gain = self.density.value_and_grad(there)[0] - self.density.value_and_grad(here)[0]
            if np.log(rng.random()) < gain:
                self.at[chain] = there
        self.done += 1
        time.sleep(self.method.nap)
        if self.done > plan.warmup:
            self.kept.append(self.at.copy())
            self.lp.append(np.array([self.density.value_and_grad(q)[0] for q in self.at]))
        if plan.progress:
            each, none = (self.done,) * plan.chains, (0,) * plan.chains
            total = plan.warmup + plan.draws
            plan.progress(Progress(each, total, plan.warmup, none, each))

    def arrays(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        shape = (len(self.kept), self.plan.chains)
        draws = np.array(self.kept).reshape(*shape, self.density.dim)
        return draws.transpose(1, 0, 2), {"lp": np.array(self.lp).reshape(shape).T}

    def hand_over(self, keep) -> None:
        draws, stats = self.arrays()
        state = KernelState(self.done, self.at.copy(), np.zeros((self.plan.chains, 1), np.uint64))
        piece = Piece(self.first, self.done <= self.plan.warmup, draws, stats, state)
        self.first += len(self.kept)
        self.kept, self.lp = [], []
        keep(piece)
