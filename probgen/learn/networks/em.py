"""Expectation maximisation for Bayesian networks with missing values and latent variables.

Dempster, Laird & Rubin (1977); Lauritzen (1995) for networks. The expected counts are exact
when the oracle is, and then the log likelihood never falls.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.errors import OptionError
from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.expectations import Expectations
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.networks.tables import conditional
from probgen.learn.seeds import generator

__all__ = ["EM", "ENGINES"]

ENGINES = ("auto", "exact", "belief_propagation")


@dataclass
class _Run:
    """One restart: its tables, and after each iteration log likelihood and objective."""

    log_tables: list[np.ndarray]
    log_likelihoods: list[float]
    objectives: list[float]
    converged: bool = False
    unseen: int = 0


@dataclass(frozen=True)
class EM:
    """Maximum likelihood, or maximum a posteriori, from data with holes.

    Values are taken to be missing at random. The first restart begins at the tables of the
    declared network, where it has them; the others at random tables. The best one is handed
    back; the group `history` has log_likelihood and objective (nats) over (restart, iteration).

    Attributes
    ----------
    iterations: the most of each restart.
    tolerance: a restart has converged when its objective grows by less than this, relatively.
    restarts: how many starting points.
    prior: pseudo-count added to each cell (the maximum a posteriori under Dirichlet(1 + prior)).
    latent_states: number or names of the states of latent variables that declare none.
    engine: which marginal oracle: "exact", "belief_propagation", or "auto".

    """

    name: ClassVar[str] = "EM"
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "directed"
    needs_oracle: ClassVar[bool] = True

    iterations: int = 500
    tolerance: float = 1e-8
    restarts: int = 4
    prior: float = 0.0
    latent_states: Mapping[Hashable, int | Sequence[Hashable]] | None = None
    engine: str = "auto"

    def __post_init__(self) -> None:
        """Check the settings."""
        for option, value in (("iterations", self.iterations), ("restarts", self.restarts)):
            if not isinstance(value, int) or value < 1:
                raise OptionError(f"{option}={value!r}: must be a positive integer.")
        for option, number in (("tolerance", self.tolerance), ("prior", self.prior)):
            if not 0 <= number < np.inf:
                raise OptionError(f"{option}={number!r}: must be a number of at least 0.")
        if self.engine not in ENGINES:
            raise OptionError(f"engine={self.engine!r}: choose one of {', '.join(ENGINES)}.")

    def learn(self, problem: Problem) -> Learned:
        """Climb from each starting point. Raises `DataError` when the data are impossible."""
        started = time.perf_counter()
        skeleton = problem.skeleton
        assert skeleton is not None
        expectations = Expectations(skeleton, problem.table, problem.oracle)
        # Without holes there is nothing to expect, and every start gives the same answer.
        restarts = self.restarts if expectations.blocks else 1
        runs = [self._climb(expectations, problem, r, restarts) for r in range(restarts)]
        best = max(runs, key=lambda run: run.objectives[-1])
        summary: dict[str, Any] = {
            "log_likelihood": best.log_likelihoods[-1],
            "objective": best.objectives[-1],
            "iterations": len(best.objectives),
            "restarts": restarts,
            "restart": next(r for r, run in enumerate(runs) if run is best),
            "converged": best.converged,
            "oracle": self.engine,
            "seconds": time.perf_counter() - started,
            "notes": self._notes(best, runs),
        }
        return Learned(skeleton.network(best.log_tables), {"history": _history(runs)}, summary)

    def _climb(
        self, expectations: Expectations, problem: Problem, restart: int, restarts: int
    ) -> _Run:
        rng = generator(problem.seed, restart)
        run = _Run(_start(expectations, restart, rng), [], [])
        for iteration in range(self.iterations):
            value, counts = expectations.evaluate(run.log_tables)
            objective = value + self._log_prior(run.log_tables)
            run.log_likelihoods.append(value)
            run.objectives.append(objective)
            if iteration % 10 == 0:
                done = restart * self.iterations + iteration
                detail = f"restart {restart}, log likelihood {value:.6g}"
                problem.report(done, restarts * self.iterations, detail)
            if iteration:
                gain = objective - run.objectives[-2]
                if gain <= self.tolerance * (1 + abs(objective)):
                    run.converged = True
                    break
            made = [conditional(count + self.prior) for count in counts]
            run.log_tables = [log_table for log_table, _ in made]
            run.unseen = sum(unseen for _, unseen in made)
        else:
            self._finish(expectations, run)
        return run

    def _finish(self, expectations: Expectations, run: _Run) -> None:
        """The likelihood of the tables made by the last iteration."""
        value, _ = expectations.evaluate(run.log_tables)
        run.log_likelihoods.append(value)
        run.objectives.append(value + self._log_prior(run.log_tables))

    def _log_prior(self, log_tables: Sequence[np.ndarray]) -> float:
        if self.prior == 0:
            return 0.0
        return self.prior * float(sum(table.sum() for table in log_tables))

    def _notes(self, best: _Run, runs: Sequence[_Run]) -> list[str]:
        notes = []
        if not best.converged:
            notes.append(
                f"EM stopped after {self.iterations} iterations without converging; give it more."
            )
        if best.unseen:
            notes.append(
                "Configurations of parents without expected counts got uniform distributions "
                f"({best.unseen} of them); prior=1 smooths all of them."
            )
        ends = [run.objectives[-1] for run in runs]
        spread = max(ends) - min(ends)
        if spread > 1e-3 * (1 + abs(max(ends))) ** 0.5:
            notes.append(
                f"The restarts ended {spread:.3g} nats apart: the likelihood has several maxima, "
                "and there may be a better one still."
            )
        return notes


def _start(expectations: Expectations, restart: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Declared tables first; then random ones, drawn towards the counts of complete families."""
    skeleton: Skeleton = expectations.skeleton
    if restart == 0 and skeleton.start is not None:
        return [np.asarray(table, dtype=np.float64) for table in skeleton.start]
    tables = []
    for fixed in expectations.fixed:
        noise = rng.gamma(2.0, size=fixed.shape) + 0.1
        tables.append(conditional(fixed + noise)[0])
    return tables


def _history(runs: Sequence[_Run]) -> xr.Dataset:
    longest = max(len(run.objectives) for run in runs)
    arrays = {}
    for name in ("log_likelihoods", "objectives"):
        values = np.full((len(runs), longest), np.nan)
        for r, run in enumerate(runs):
            values[r, : len(getattr(run, name))] = getattr(run, name)
        arrays[name[:-1]] = (("restart", "iteration"), values)
    coordinates = {"restart": np.arange(len(runs)), "iteration": np.arange(longest)}
    return xr.Dataset(arrays, coordinates)
