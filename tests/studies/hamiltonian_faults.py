"""A small HMC that is right, and its broken twins; a Gibbs sampler in ten lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult, state_offsets
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.results.marginals import Marginals
from probgen.targets.factors import Factors

FAULTS = ("accepts everything", "keeps its momentum", "half step too long", "forgets to accept")


@dataclass(frozen=True)
class PlainHMC:
    """HMC with a fixed step and no warm-up; `fault` is one of `FAULTS`, or nothing."""

    fault: str = ""
    step: float = 0.5
    steps: int = 5
    name: ClassVar[str] = "PlainHMC"

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        with np.errstate(all="ignore"):  # a broken twin runs off
            chains = [self._chain(density, plan, chain) for chain in range(plan.chains)]
        draws = np.stack(chains)
        return Draws(draws, {"lp": np.zeros(draws.shape[:2])}, summary={"notes": []})

    def _chain(self, density: DensityLike, plan: Plan, chain: int) -> np.ndarray:
        rng = np.random.default_rng([plan.seed, chain])
        q = plan.initial[chain].copy()
        value, gradient = density.value_and_grad(q)
        momentum = rng.standard_normal(q.size)
        rows = np.empty((plan.draws, q.size))
        for i in range(-plan.warmup, plan.draws):
            if self.fault != "keeps its momentum":
                momentum = rng.standard_normal(q.size)
            step = self.step * rng.uniform(0.7, 1.3)
            new, p, g, new_value = q, momentum, gradient, value
            first = 1.0 if self.fault == "half step too long" else 0.5
            p = p + first * step * g
            for k in range(self.steps):
                new = new + step * p
                new_value, g = density.value_and_grad(new)
                p = p + (1.0 if k + 1 < self.steps else 0.5) * step * g
            gain = new_value - 0.5 * p @ p - value + 0.5 * momentum @ momentum
            chance = math.exp(min(0.0, gain)) if math.isfinite(gain) else 0.0
            if self.fault == "forgets to accept":
                chance = 0.0
            if self.fault == "accepts everything" and math.isfinite(new_value):
                chance = 1.0
            if rng.random() < chance:
                q, value, gradient, momentum = new, new_value, g, p
            if i >= 0:
                rows[i] = q
        return rows


@dataclass(frozen=True)
class PlainGibbs:
    """Gibbs sampling of single variables; `tempered` takes conditionals to the wrong power."""

    tempered: float = 1.0
    name: ClassVar[str] = "PlainGibbs"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 64, "draws": 100, "warmup": 50}

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        rng = np.random.default_rng(plan.seed)
        n, offsets = len(factors.cards), state_offsets(factors.cards)
        states = rng.integers(0, factors.cards, (plan.chains, n))
        for _ in range(100):  # to a possible state
            stuck = factors.log_joint(states) == -np.inf
            states[stuck] = rng.integers(0, factors.cards, (int(stuck.sum()), n))
        kept = np.empty((plan.chains, plan.draws, n), dtype=np.uint8)
        for i in range(-plan.warmup, plan.draws):
            for v, card in enumerate(factors.cards):
                options = np.repeat(states[:, None], card, axis=1)
                options[:, :, v] = np.arange(card)
                logs = self.tempered * factors.log_joint(options)
                edges = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True)), axis=1)
                at = rng.random(plan.chains)[:, None] * edges[:, -1:]
                states[:, v] = (at >= edges).sum(axis=1)
            if i >= 0:
                kept[:, i] = states
        found = [np.bincount(kept[..., v].ravel(), minlength=c) / kept[..., v].size
                 for v, c in enumerate(factors.cards)]  # fmt: skip
        marginals = Marginals(offsets, np.concatenate(found) if found else np.zeros(0))
        return GraphResult(marginals, kept, {"log_joint": factors.log_joint(kept)}, {"notes": []})
