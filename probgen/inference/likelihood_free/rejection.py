"""Rejection: simulations from the prior whose data are near the observed ones.

Tavare, Balding, Griffiths & Donnelly (1997); Pritchard, Seielstad, Perez-Lezaun & Feldman (1999).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.likelihood_free.population import Outcome, Population, joined
from probgen.inference.likelihood_free.settings import (
    SimulationPlan,
    check_comparison,
    check_number,
    check_whole,
)

__all__ = ["RejectionABC"]

_BATCH = 10_000


@dataclass(frozen=True)
class RejectionABC:
    """Draws from the prior, kept where data simulated at them lie near the observed data.

    For programs whose observed sites can be drawn, with a density or without. The draws are
    independent, and of the posterior given that the distance is at most the tolerance: the
    posterior itself only where summaries are sufficient and the tolerance is 0.

    Args:
        quantile: share of the simulations that is kept, the nearest; what the draws take is
            simulated, draws / quantile.
        epsilon: the tolerance, in place of a share: simulations go on until there are enough.
        summaries: from one data set, tensors by site, to numbers: `lambda data: data["y"].mean()`;
            None for all values of the observed sites.
        distance: from summaries (k,) of simulated and of observed data to a number; None for
            Euclidean, each summary divided by its median absolute deviation under the prior.
        simulations: most of them.

    Raises `OptionError` for values out of range.

    Example:
        >>> RejectionABC(quantile=0.001)
        RejectionABC(quantile=0.001, epsilon=None, summaries=None, distance=None, \
simulations=10000000)
    """

    quantile: float = 0.01
    epsilon: float | None = None
    summaries: Any = None
    distance: Any = None
    simulations: int = 10_000_000
    name: ClassVar[str] = "RejectionABC"
    serves: ClassVar[tuple[str, ...]] = ("simulator",)
    defaults: ClassVar[Mapping[str, int]] = {"chains": 4, "draws": 250, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_number(self, "quantile", 0.0, 1.0)
        check_number(self, "epsilon", 0.0, math.inf, closed=True)
        check_whole(self, "simulations")
        check_comparison(self)

    def moved(self, program: Any) -> list[str]:
        """No site: all are drawn from the prior."""
        return []

    def run(self, plan: SimulationPlan) -> Outcome:
        """Simulate, and keep what is near.

        Raises `OptionError` where more simulations are needed than allowed, `SamplingError` when
        too few come near, KeyboardInterrupt where none had been kept.
        """
        wanted = plan.chains * plan.draws
        needed = self.simulations
        if self.epsilon is None:
            needed = math.ceil(wanted / self.quantile)
            if needed > self.simulations:
                raise OptionError(
                    f"RejectionABC(quantile={self.quantile:g}): {wanted} draws take {needed} "
                    f"simulations, and at most simulations={self.simulations} are allowed. Ask "
                    "for fewer draws, a larger quantile or more simulations; SMCABC() takes fewer."
                )
        kept: Population | None = None
        made, interrupted = 0, False
        seeds = np.random.SeedSequence([plan.seed % 2**64, 0xABC])
        try:
            while made < needed and (self.epsilon is None or _count(kept) < wanted):
                count = min(_BATCH, needed - made)
                seed = int(seeds.spawn(1)[0].generate_state(1)[0])
                found = plan.simulator.from_prior(count, seed)
                near = Population.of(found, plan.comparison(found.data))
                kept = self._kept(kept, near, wanted)
                made += count
                told = f"{len(kept)} nearest, within {_worst(kept):.3g}"
                plan.show(made, needed, f"{made} simulations, {told}")
        except KeyboardInterrupt:
            interrupted = True
            if kept is None:
                raise
        assert kept is not None
        return self._outcome(kept, plan, made, interrupted)

    def _kept(self, kept: Population | None, near: Population, wanted: int) -> Population:
        """The nearest rows of all, or those within the tolerance, in the order they came."""
        limit = np.inf if self.epsilon is None else self.epsilon
        near = near.rows(np.flatnonzero(np.isfinite(near.distance) & (near.distance <= limit)))
        both = near if kept is None else joined([kept, near])
        if len(both) <= wanted:
            return both
        if self.epsilon is not None:
            return both.rows(np.arange(wanted))
        nearest = np.argpartition(both.distance, wanted - 1)[:wanted]
        return both.rows(np.sort(nearest))

    def _outcome(
        self, kept: Population, plan: SimulationPlan, made: int, interrupted: bool
    ) -> Outcome:
        wanted, found = plan.chains * plan.draws, len(kept)
        if self.epsilon is None and interrupted:
            found = min(found, int(made * self.quantile))  # the tolerance of the share asked for
            nearest = np.argsort(kept.distance, kind="stable")[:found]
            kept = kept.rows(np.sort(nearest))
        if found < wanted and not interrupted:
            raise SamplingError(self._too_few(kept, made, wanted))
        draws = found // plan.chains
        if not draws:
            raise KeyboardInterrupt
        parts = np.arange(plan.chains * draws).reshape(plan.chains, draws)
        weight = np.full(draws, 1 / draws)
        near = [kept.rows(part) for part in parts]
        chains = [Population(part.values, part.distance, weight) for part in near]
        epsilon = _worst(kept) if self.epsilon is None else float(self.epsilon)
        history = {
            "epsilon": np.array([epsilon]),
            "acceptance_rate": np.array([found / made]),
            "effective_size": np.array([float(draws * plan.chains)]),
            "simulations": np.array([made]),
        }
        total = made + plan.spent
        return Outcome(chains, epsilon, total, [draws] * plan.chains, history, interrupted)

    def _too_few(self, kept: Population, made: int, wanted: int) -> str:
        if self.epsilon is None:
            return (
                f"RejectionABC: only {len(kept)} of {made} simulations have a finite distance, "
                f"and {wanted} are to be kept. Look for NaN in what the program draws."
            )
        return (
            f"RejectionABC(epsilon={self.epsilon:g}): {len(kept)} of {made} simulations came that "
            f"near, and {wanted} draws were asked for. Take a larger epsilon (or quantile=0.01, "
            "which finds one), fewer and better summaries, fewer draws, or SMCABC(), which walks "
            "towards the data."
        )


def _count(kept: Population | None) -> int:
    return 0 if kept is None else len(kept)


def _worst(kept: Population) -> float:
    return float(kept.distance.max()) if len(kept) else math.inf
