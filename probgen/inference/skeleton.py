"""A whole sampler in one small file, to copy when writing a new one.

Random-walk Metropolis (Metropolis et al. 1953): propose a normal step, accept it with
probability min(1, density ratio). The proposal's scale is adapted during warm-up only, by the
stochastic approximation of Andrieu & Thoms (2008), section 4.2. It shows every duty of a method
(`CONTRIBUTING.md` beside this file lists them) and serves small, smooth posteriors; NUTS is
better at everything else.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probgen.errors import InitialisationError, OptionError
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan, Progress
from probgen.inference.notes import notes_on

__all__ = ["RandomWalkMetropolis"]

PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class RandomWalkMetropolis:
    """Random-walk Metropolis, for posteriors of a few coordinates of similar scale.

    Args:
        target_accept: mean acceptance probability that the scale is adapted to; 0.44 is best
            for one coordinate, 0.234 for many (Roberts & Rosenthal 2001).
        scale: standard deviation of the proposal on the unconstrained scale where warm-up
            starts; without warm-up it stays as it is.

    Raises `OptionError` for values out of range.

    Example:
        >>> RandomWalkMetropolis(scale=0.5)
        RandomWalkMetropolis(target_accept=0.3, scale=0.5)
    """

    target_accept: float = 0.3
    scale: float = 1.0
    name: ClassVar[str] = "RandomWalkMetropolis"

    def __post_init__(self) -> None:
        """Validate the settings."""
        if not 0 < self.target_accept < 1:
            raise OptionError(
                f"{self.name}(target_accept={self.target_accept!r}): it must lie between 0 and "
                "1; 0.3 is usual."
            )
        if not 0 < self.scale < math.inf:
            raise OptionError(f"{self.name}(scale={self.scale!r}): it must be positive.")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Draw from `density` as `plan` says.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` for starts without a finite density, `SamplingError` when no chain
        ever moves, and KeyboardInterrupt when interrupted before the first draw.
        """
        check_plan(density, plan)
        chains = [_Chain(density, self, plan, chain) for chain in range(plan.chains)]
        started = shown = time.perf_counter()
        seconds_warmup, interrupted = 0.0, False
        try:
            for i in range(plan.warmup + plan.draws * plan.thin):
                for chain in chains:
                    chain.step(i)
                now = time.perf_counter()
                if i < plan.warmup:
                    seconds_warmup = now - started
                if plan.progress and now - shown > PROGRESS_SECONDS:
                    shown = now
                    plan.progress(_progress(chains, plan))
        except KeyboardInterrupt:
            interrupted = True
        if plan.progress:
            plan.progress(_progress(chains, plan))
        done = min(chain.rows for chain in chains)
        if interrupted and done <= plan.warmup:
            raise KeyboardInterrupt
        result = _collect(chains, plan, done)
        result.summary |= {
            "seconds_warmup": seconds_warmup,
            "seconds_sampling": time.perf_counter() - started - seconds_warmup,
            "interrupted": interrupted,
            "notes": notes_on(result, density.coordinate_names),
        }
        return result


class _Chain:
    """What the next step needs, the tuning, and the rows written so far."""

    def __init__(self, density: DensityLike, method: RandomWalkMetropolis, plan: Plan, chain: int):
        self.density, self.method, self.plan = density, method, plan
        # The stream depends on (seed, chain) alone: not on threads, nor on other chains.
        self.rng = np.random.default_rng([plan.seed % 2**64, chain])
        self.position = np.array(plan.initial[chain], dtype=np.float64)
        self.scale = method.scale
        if plan.adaptation is not None:
            self.position = np.array(plan.adaptation["position"][chain], dtype=np.float64)
            self.scale = float(plan.adaptation["step_size"][chain])
        self.evaluations = self.evaluations_warmup = self.iterations = self.rows = 0
        self.log_density = self.evaluate(self.position)
        if not math.isfinite(self.log_density):
            raise InitialisationError(
                f"Chain {chain} starts where the log density is not finite. Give other starting "
                "values (init), or run `check` on the model."
            )
        length = plan.warmup + plan.draws
        self.draws = np.empty((length, density.dim))
        self.stats = {
            "lp": np.empty(length),
            "step_size": np.empty(length),
            "acceptance_rate": np.empty(length),
            "diverging": np.empty(length, dtype=bool),
        }

    def evaluate(self, position: np.ndarray) -> float:
        """The log density; counted, as cost is reported in evaluations."""
        self.evaluations += 1
        return float(self.density.value_and_grad(position)[0])

    def step(self, i: int) -> None:
        """Make transition `i`; adapt while it is warm-up, never later."""
        scale = self.scale
        proposal = self.position + scale * self.rng.standard_normal(self.position.size)
        proposed = self.evaluate(proposal)
        broken = math.isnan(proposed)  # -inf is an honest zero density, NaN is not
        gain = -math.inf if broken else proposed - self.log_density
        acceptance = math.exp(min(0.0, gain))
        if self.rng.random() < acceptance:
            self.position, self.log_density = proposal, proposed
        warm = i < self.plan.warmup
        if warm or (i + 1 - self.plan.warmup) % self.plan.thin == 0:
            self.draws[self.rows] = self.position
            row = (self.log_density, scale, acceptance, broken)
            for stat, value in zip(self.stats.values(), row, strict=True):
                stat[self.rows] = value
            self.rows += 1
        if warm:
            self.scale *= math.exp((acceptance - self.method.target_accept) / (i + 1) ** 0.6)
            self.evaluations_warmup = self.evaluations
        self.iterations = i + 1


def _collect(chains: list[_Chain], plan: Plan, done: int) -> Draws:
    """The rows of all chains as arrays (chain, draw, ...) and their totals, warm-up apart."""
    warm, drawn = slice(0, plan.warmup), slice(plan.warmup, done)

    def stats_of(part: slice) -> dict[str, np.ndarray]:
        return {name: np.stack([c.stats[name][part] for c in chains]) for name in chains[0].stats}

    result = Draws(np.stack([chain.draws[drawn] for chain in chains]), stats_of(drawn))
    if plan.keep_warmup:
        result.warmup_unconstrained = np.stack([chain.draws[warm] for chain in chains])
        result.warmup_stats = stats_of(warm)
    result.adaptation = {
        "position": np.stack([chain.position for chain in chains]),
        "step_size": np.array([chain.scale for chain in chains]),
    }
    evaluations = sum(chain.evaluations for chain in chains)
    evaluations_warmup = sum(chain.evaluations_warmup for chain in chains)
    result.summary = {
        "engine": "numpy",
        "gradient_evaluations_warmup": evaluations_warmup,
        "gradient_evaluations": evaluations - evaluations_warmup,
        "step_size": [chain.scale for chain in chains],
    }
    return result


def _progress(chains: list[_Chain], plan: Plan) -> Progress:
    return Progress(
        iterations=tuple(chain.iterations for chain in chains),
        total=plan.warmup + plan.draws * plan.thin,
        warmup=plan.warmup,
        divergences=tuple(
            int(chain.stats["diverging"][plan.warmup : chain.rows].sum()) for chain in chains
        ),
        gradients=tuple(chain.evaluations for chain in chains),
    )
