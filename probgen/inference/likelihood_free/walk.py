"""The steps of SMC-ABC: batches of simulations for one chain's next population after another."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from probgen.errors import SamplingError
from probgen.inference.likelihood_free.kernel import Kernel
from probgen.inference.likelihood_free.population import Outcome, Population, joined
from probgen.inference.likelihood_free.settings import SimulationPlan
from probgen.inference.likelihood_free.stand import Stand
from probgen.progress import short_count

if TYPE_CHECKING:
    from probgen.inference.likelihood_free.smc import SMCABC

__all__ = ["Walk", "importance_weights", "systematic"]

_FEWEST = 100
"""Particles of a chain, where fewer draws are asked for."""
_PLACE, _RESAMPLING = 0x5ABC, 0x5ABD  # of its random numbers


class Walk:
    """`SMCABC` with its plan: the populations of all chains, one tolerance after another."""

    def __init__(self, method: SMCABC, plan: SimulationPlan) -> None:
        self.method, self.plan = method, plan
        self.count = max(plan.draws, _FEWEST)

    def begin(self) -> Stand:
        """Before the first population, or where the plan's state says."""
        return Stand() if self.plan.state is None else Stand.restored(self.plan.state)

    def arrays(self, state: Stand) -> dict[str, np.ndarray]:
        """All of a state."""
        return state.arrays()

    def goes_on(self, state: Stand) -> bool:
        """Whether another batch is to be made."""
        return not self.why(state)

    def why(self, state: Stand) -> str:
        """Why no further batch is made, or nothing."""
        method = self.method
        if state.inside or not state.epsilons:
            spent = state.made >= method.simulations
            return f"simulations={method.simulations} were made" if spent else ""
        first = len(state.epsilons) == 1
        if method.epsilon is not None and _worst(state) <= method.epsilon:
            return "the tolerance was reached"
        if not first and state.rates[-1] < method.least_acceptance:
            return f"the acceptance rate fell to {state.rates[-1]:.2g}"
        if len(state.epsilons) > method.populations:
            return f"there were {method.populations} populations"
        if not first and not self.tolerance(state) < state.epsilons[-1]:
            return "no smaller tolerance is left: distances are equal"
        if state.made >= method.simulations:
            return f"simulations={method.simulations} were made"
        return ""

    def tolerance(self, state: Stand) -> float:
        """Of the population that is being made."""
        if not state.current:
            return math.inf
        distances = np.concatenate([population.distance for population in state.current])
        found = float(np.quantile(distances, self.method.quantile))
        smaller = distances[distances < distances.max()]
        if found == distances.max() and len(smaller):  # so many are equal, as of counts
            found = float(smaller.max())
        return max(found, self.method.epsilon or 0.0)

    def step(self, state: Stand) -> Stand:
        """A batch for the first chain whose next population is not complete."""
        plan, chain = self.plan, len(state.found)
        rng = plan.generator(_PLACE, len(state.epsilons), chain, state.batches)
        size = self._size(state)
        seed = int(rng.integers(2**32))
        kernel = None
        if state.current:
            before = state.current[chain]
            kernel = Kernel(plan.simulator.positions(before.values), before.weight)
            found = plan.simulator.at(kernel.draw(size, rng), seed)
        else:
            found = plan.simulator.from_prior(size, seed)
        distance = plan.comparison(found.data)
        near = np.isfinite(distance) & (distance <= self.tolerance(state))
        rows = np.flatnonzero(near & np.isfinite(found.log_prior))
        accepted = Population.of(found, distance).rows(rows)
        if kernel is not None and len(rows):
            positions = plan.simulator.positions(accepted.values)
            weight = importance_weights(found.log_prior[rows], kernel, positions)
            accepted = replace(accepted, log_weight=weight)
        return self._with(state, joined([state.partial, accepted]), size)

    def _size(self, state: Stand) -> int:
        """Simulations of a batch: about as many as the chain still needs."""
        have, most = len(state.partial or ()), self.plan.simulator.batch
        rate = max(have, 1) / max(state.tried, 1)
        size = min(math.ceil(1.1 * (self.count - have) / rate), most)
        size = max(size, min(self.count // 4, most))
        return min(size, self.method.simulations - state.made)

    def _with(self, state: Stand, partial: Population, size: int) -> Stand:
        """A state after one batch more, and what is complete by it."""
        made = state.made + size
        if len(partial) < self.count:
            tried, batches = state.tried + size, state.batches + 1
            return replace(state, partial=partial, tried=tried, batches=batches, made=made)
        found = (*state.found, partial.rows(np.arange(self.count)))
        through = replace(state, found=found, partial=None, tried=0, batches=0, made=made)
        if len(found) < self.plan.chains:
            return through
        return through.finished(self.tolerance(state), len(found) * self.count)

    def told(self, state: Stand) -> tuple[int, int, str]:
        """Populations, and how far the next one is."""
        total, done = self.method.populations, max(len(state.epsilons) - 1, 0)
        epsilon, rate = self.tolerance(state), state.rates[-1:]
        if not state.inside and state.epsilons:
            doing, epsilon = f"population {done} finished", state.epsilons[-1]
        else:
            have = len(state.found) * self.count + len(state.partial or ())
            doing = f"population {len(state.epsilons)}: {have} of {self.plan.chains * self.count}"
            rate = (have / max(state.made - sum(state.costs), 1),)
        doing += "" if epsilon == math.inf else f", tolerance {epsilon:.3g}"
        doing += "".join(f", {100 * share:.2g} % accepted" for share in rate)
        return min(done, total), total, f"{doing}, {short_count(state.made)} simulations"

    def outcome(self, state: Stand, whole: bool) -> Outcome | None:
        """The last finished populations, resampled."""
        if not state.epsilons:
            if whole:
                raise SamplingError(
                    f"SMCABC: {state.made} simulations gave fewer than {self.count} finite "
                    "distances for every chain. Look for NaN in what the program draws, or allow "
                    "more simulations."
                )
            return None
        if not whole and len(state.epsilons) < 2:  # draws of the prior
            return None
        plan, chains, weight = self.plan, [], []
        for chain, population in enumerate(state.current):
            rng = plan.generator(_RESAMPLING, len(state.epsilons), chain)
            rows = rng.permutation(systematic(population.weight, plan.draws, rng))
            chains.append(population.rows(rows))
            weight.append(population.weight[rows])
        epsilons = [*state.epsilons]
        asked = self.method.epsilon
        if asked is not None and _worst(state) <= asked:
            epsilons[-1] = float(asked)
        reached = epsilons[-1] if epsilons[-1] < math.inf else _worst(state)
        history = {
            "epsilon": np.array(epsilons),
            "acceptance_rate": np.array(state.rates),
            "effective_size": np.array(state.sizes),
            "simulations": np.array(state.costs),
        }
        names = chains[0].values
        return Outcome(
            {name: np.stack([chain.values[name] for chain in chains]) for name in names},
            np.stack([chain.distance for chain in chains]),
            np.stack(weight),
            reached,
            state.made,
            [population.effective for population in state.current],
            history,
            self._notes(state, reached, whole),
        )

    def _notes(self, state: Stand, reached: float, whole: bool) -> list[str]:
        asked = self.method.epsilon
        if not whole:
            return [
                f"Interrupted after population {len(state.epsilons) - 1}: the draws are of the "
                f"posterior at its tolerance {reached:.3g}, wider than where the run was going. A "
                "stored run goes on by resume."
            ]
        if asked is None or reached <= asked:
            return []
        return [
            f"The tolerance {asked:g} was not reached: it stopped at {reached:.3g}, since "
            f"{self.why(state)}. Use fewer and better summaries, allow a smaller least_acceptance "
            "and more simulations, or take that tolerance."
        ]


def importance_weights(log_prior: np.ndarray, kernel: Kernel, positions: np.ndarray) -> np.ndarray:
    """Log of the prior over the mixture that positions were drawn from (nats), as Toni et al."""
    return log_prior - kernel.log_density(positions)


def systematic(weight: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, each about as often as its weight says (Kitagawa 1996)."""
    if not count:
        return np.zeros(0, dtype=int)
    points = (np.arange(count) + rng.random()) / count
    rows = np.searchsorted(np.cumsum(weight), points)
    return np.minimum(rows, len(weight) - 1)


def _worst(state: Stand) -> float:
    return max(float(population.distance.max()) for population in state.current)
