"""Sequential Monte Carlo with falling tolerances: populations that walk towards the data.

Toni, Welch, Strelkowa, Ipsen & Stumpf (2009), J. R. Soc. Interface 6; Beaumont, Cornuet, Marin &
Robert (2009), Biometrika 96, for kernel and weights; Del Moral, Doucet & Jasra (2012), Stat.
Comput. 22, and Drovandi & Pettitt (2011), Biometrics 67, for tolerances by quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.likelihood_free.kernel import Kernel
from probgen.inference.likelihood_free.population import Outcome, Population, joined
from probgen.inference.likelihood_free.settings import (
    SimulationPlan,
    check_comparison,
    check_number,
    check_whole,
)
from probgen.inference.likelihood_free.simulator import moved_sites

__all__ = ["SMCABC"]

_FEWEST = 100
"""Particles of a chain, where fewer draws are asked for."""
_BATCH = 10_000


@dataclass(frozen=True)
class SMCABC:
    """Weighted populations with ever smaller tolerances, from the prior towards the posterior.

    For programs whose observed sites can be drawn, with a density or without, where rejection
    would accept too little. Every chain is a population of its own with as many particles as
    draws, all with the same tolerances, so that R-hat shows what chance does to a population.
    The last population is resampled by its weights. Sites that are not moved are drawn anew with
    every data set, and reported as they were where it was accepted.

    Args:
        epsilon: the tolerance to reach; None goes on until `least_acceptance` or `populations`.
        quantile: of the distances of a population, which is the next tolerance.
        least_acceptance: share of simulations accepted at which it stops.
        populations: most of them.
        sites: latent sites that are moved; None for the continuous ones outside the plates of
            the observed sites, or all of them where there are none.
        summaries, distance: as those of `RejectionABC`.
        simulations: most of all chains together.

    Raises `OptionError` for values out of range.

    Example:
        >>> SMCABC(epsilon=0.1).quantile
        0.5
    """

    epsilon: float | None = None
    quantile: float = 0.5
    least_acceptance: float = 0.02
    populations: int = 30
    sites: tuple[str, ...] | None = None
    summaries: Any = None
    distance: Any = None
    simulations: int = 10_000_000
    name: ClassVar[str] = "SMCABC"
    serves: ClassVar[tuple[str, ...]] = ("simulator",)
    defaults: ClassVar[Mapping[str, int]] = {"chains": 4, "draws": 500, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        check_number(self, "epsilon", 0.0, math.inf, closed=True)
        check_number(self, "quantile", 0.0, 1.0)
        check_number(self, "least_acceptance", 0.0, 1.0)
        check_whole(self, "populations")
        check_whole(self, "simulations")
        check_comparison(self)
        if self.sites is not None:
            names = (self.sites,) if isinstance(self.sites, str) else tuple(self.sites)
            if not names or not all(isinstance(name, str) for name in names):
                raise OptionError(f"SMCABC(sites={self.sites!r}): give names of latent sites.")
            object.__setattr__(self, "sites", names)

    def moved(self, program: Any) -> list[str]:
        """The latent sites that the populations move."""
        return moved_sites(program, self.sites)

    def run(self, plan: SimulationPlan) -> Outcome:
        """Populations until the tolerance, or a limit, is reached.

        Raises `SamplingError` when simulations run out before there is a population,
        KeyboardInterrupt before the second one is finished.
        """
        walk = _Walk(self, plan)
        try:
            walk.start()
            while walk.goes_on():
                walk.step()
        except KeyboardInterrupt:
            if len(walk.epsilons) < 2:
                raise
            walk.interrupted = True
        return walk.outcome()


class _Walk:
    """The populations of all chains, one tolerance after another."""

    def __init__(self, method: SMCABC, plan: SimulationPlan) -> None:
        self.method, self.plan = method, plan
        self.count = max(plan.draws, _FEWEST)
        self.made, self.interrupted = 0, False
        self.current: list[Population] = []
        self.epsilons: list[float] = []
        self.rates: list[float] = []
        self.sizes: list[float] = []
        self.costs: list[int] = []
        self.why = ""
        seeds = np.random.SeedSequence([plan.seed % 2**64, 0x5ABC]).spawn(plan.chains)
        self._rngs = [np.random.default_rng(seed) for seed in seeds]

    def start(self) -> None:
        """Populations of the prior."""
        before = self.made
        found = [self._accepted(rng, None, math.inf) for rng in self._rngs]
        self._keep([p for p in found if p is not None], math.inf, before)

    def goes_on(self) -> bool:
        """Whether another tolerance is to be taken; `why` says why not."""
        method, epsilon = self.method, self.epsilons[-1]
        worst = max(float(p.distance.max()) for p in self.current)
        first = len(self.epsilons) == 1
        if method.epsilon is not None and worst <= method.epsilon:
            self.epsilons[-1] = float(method.epsilon)
            self.why = "the tolerance was reached"
        elif not first and self.rates[-1] < method.least_acceptance:
            self.why = f"the acceptance rate fell to {self.rates[-1]:.2g}"
        elif len(self.epsilons) > method.populations:
            self.why = f"there were {method.populations} populations"
        elif not first and not self._next() < epsilon:
            self.why = "no smaller tolerance is left: distances are equal"
        return not self.why

    def step(self) -> None:
        """A population of every chain at the next tolerance."""
        epsilon, before = self._next(), self.made
        found = []
        for rng, population in zip(self._rngs, self.current, strict=True):
            accepted = self._accepted(rng, population, epsilon)
            if accepted is None:
                self.why = f"simulations={self.method.simulations} were made"
                return
            found.append(accepted)
        self._keep(found, epsilon, before)

    def _next(self) -> float:
        distances = np.concatenate([population.distance for population in self.current])
        return max(float(np.quantile(distances, self.method.quantile)), self.method.epsilon or 0.0)

    def _keep(self, found: list[Population], epsilon: float, before: int) -> None:
        if len(found) < self.plan.chains:
            raise SamplingError(
                f"SMCABC: {self.made} simulations gave fewer than {self.count} finite distances "
                "for every chain. Look for NaN in what the program draws, or allow more "
                "simulations."
            )
        self.current = found
        self.epsilons.append(epsilon)
        self.costs.append(self.made - before)
        self.rates.append(len(found) * self.count / self.costs[-1])
        self.sizes.append(sum(population.effective for population in found))
        total = self.method.populations
        told = "" if epsilon == math.inf else f"tolerance {epsilon:.3g}, "
        done = min(len(self.epsilons) - 1, total)
        self.plan.show(done, total, f"{told}{100 * self.rates[-1]:.1f} % accepted")

    def _accepted(
        self, rng: np.random.Generator, before: Population | None, epsilon: float
    ) -> Population | None:
        """A new population within a tolerance; None where simulations run out."""
        plan = self.plan
        kernel = None
        if before is not None:
            kernel = Kernel(plan.simulator.positions(before.values), before.weight)
        parts: list[Population] = []
        priors: list[np.ndarray] = []
        have, tried = 0, 0
        while have < self.count:
            rate = max(have, 1) / max(tried, 1)
            size = min(math.ceil(1.1 * (self.count - have) / rate), _BATCH)
            size = min(max(size, self.count // 4), self.method.simulations - self.made)
            if size <= 0:
                return None
            seed = int(rng.integers(2**32))
            if kernel is None:
                found = plan.simulator.from_prior(size, seed)
            else:
                found = plan.simulator.at(kernel.draw(size, rng), seed)
            distance = plan.comparison(found.data)
            self.made, tried = self.made + size, tried + size
            near = np.isfinite(distance) & (distance <= epsilon) & np.isfinite(found.log_prior)
            rows = np.flatnonzero(near)
            parts.append(Population.of(found, distance).rows(rows))
            priors.append(found.log_prior[rows])
            have += len(rows)
        whole = joined(parts).rows(np.arange(self.count))
        if kernel is None:
            return Population(whole.values, whole.distance, np.full(self.count, 1 / self.count))
        positions = plan.simulator.positions(whole.values)
        weight = importance_weights(np.concatenate(priors)[: self.count], kernel, positions)
        return Population(whole.values, whole.distance, weight)

    def outcome(self) -> Outcome:
        """The last populations, resampled."""
        chains = []
        for rng, population in zip(self._rngs, self.current, strict=True):
            rows = _systematic(population.weight, self.plan.draws, rng)
            chains.append(population.rows(rng.permutation(rows)))
        epsilon, asked = self.epsilons[-1], self.method.epsilon
        if epsilon == math.inf:
            epsilon = max(float(population.distance.max()) for population in self.current)
        notes = []
        if asked is not None and epsilon > asked and not self.interrupted:
            notes.append(
                f"The tolerance {asked:g} was not reached: it stopped at {epsilon:.3g}, since "
                f"{self.why}. Use fewer and better summaries, allow a smaller least_acceptance "
                "and more simulations, or take that tolerance."
            )
        history = {
            "epsilon": np.array(self.epsilons),
            "acceptance_rate": np.array(self.rates),
            "effective_size": np.array(self.sizes),
            "simulations": np.array(self.costs),
        }
        effective = [population.effective for population in self.current]
        total = self.made + self.plan.spent
        return Outcome(chains, epsilon, total, effective, history, self.interrupted, notes)


def importance_weights(log_prior: np.ndarray, kernel: Kernel, positions: np.ndarray) -> np.ndarray:
    """Prior over the mixture that positions were drawn from, summing to 1 (Toni et al. 2009)."""
    log_weight = log_prior - kernel.log_density(positions)
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def _systematic(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, each about as often as its weight says (Kitagawa 1996)."""
    if not count:
        return np.zeros(0, dtype=int)
    points = (np.arange(count) + rng.random()) / count
    rows = np.searchsorted(np.cumsum(weight), points)
    return np.minimum(rows, len(weight) - 1)
