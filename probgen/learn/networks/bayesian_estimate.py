"""Bayesian estimation of a Bayesian network from complete data: Dirichlet posteriors."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from probgen.errors import OptionError, TooLargeError
from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.dirichlet import PRIORS, log_marginal_likelihood, pseudo_counts
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.networks.tables import check_complete, observed_log_likelihood
from probgen.learn.seeds import generator
from probgen.results.network_tree import state_labels

__all__ = ["BayesianEstimate"]

_MOST_BYTES = 1 << 31  # of all draws of all tables


@dataclass(frozen=True)
class BayesianEstimate:
    """Posterior of the conditional probabilities under Dirichlet priors.

    The learned network has the posterior means, which are also the predictive probabilities of
    the next row. The group `posterior` of the tree holds independent draws of every table, a
    variable per child with dims (chain, draw, states of the parents ..., states of the child).

    Attributes
    ----------
    prior: "BDeu", "K2" or "Jeffreys" (see `probgen.learn.networks.dirichlet`).
    equivalent_sample_size: how many imaginary rows the BDeu prior is worth.
    pseudo_counts: of some children, instead of `prior`: a number for every cell, or an array
        with axes (parents in the order of the structure ..., child).
    chains, draws: how many draws of the tables; draws=0 for none.

    """

    name: ClassVar[str] = "BayesianEstimate"
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "directed"
    needs_oracle: ClassVar[bool] = False

    prior: str = "BDeu"
    equivalent_sample_size: float = 10.0
    pseudo_counts: Mapping[Hashable, Any] | None = None
    chains: int = 4
    draws: int = 250

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.prior not in PRIORS:
            raise OptionError(f"prior={self.prior!r}: choose one of {', '.join(PRIORS)}.")
        if not 0 < self.equivalent_sample_size < np.inf:
            raise OptionError(
                f"equivalent_sample_size={self.equivalent_sample_size!r}: must be positive."
            )
        for option, value, least in (("chains", self.chains, 1), ("draws", self.draws, 0)):
            if not isinstance(value, int) or value < least:
                raise OptionError(f"{option}={value!r}: must be an integer of at least {least}.")

    def learn(self, problem: Problem) -> Learned:
        """Count and add the prior. Raises `DataError` when a value is missing."""
        started = time.perf_counter()
        skeleton, table = problem.skeleton, problem.table
        assert skeleton is not None
        check_complete(table, self.name, "EM(prior=...)")
        self._check_names(skeleton)
        counts = [table.counts(scope) for scope in skeleton.scopes]
        priors = [
            self._prior(skeleton.names[scope[-1]], count.shape)
            for scope, count in zip(skeleton.scopes, counts, strict=True)
        ]
        posteriors = [count + prior for count, prior in zip(counts, priors, strict=True)]
        log_tables = [np.log(p / p.sum(axis=-1, keepdims=True)) for p in posteriors]
        network = skeleton.network(log_tables)
        groups = {}
        if self.draws:
            drawn = _draw(posteriors, (self.chains, self.draws), problem.seed)
            groups["posterior"] = _dataset(skeleton, network.labels(), drawn)
        pairs = zip(counts, priors, strict=True)
        summary = {
            "log_likelihood": observed_log_likelihood(counts, log_tables),
            "log_marginal_likelihood": sum(log_marginal_likelihood(c, p) for c, p in pairs),
            "seconds": time.perf_counter() - started,
        }
        return Learned(network, groups, summary)

    def _check_names(self, skeleton: Skeleton) -> None:
        for name in self.pseudo_counts or {}:
            if name not in skeleton.names:
                raise OptionError(f"pseudo_counts names {name!r}, which is no variable.")

    def _prior(self, name: Hashable, shape: tuple[int, ...]) -> np.ndarray:
        if self.pseudo_counts is None or name not in self.pseudo_counts:
            return pseudo_counts(self.prior, self.equivalent_sample_size, shape)
        given = np.asarray(self.pseudo_counts[name], dtype=np.float64)
        if given.ndim and given.shape != shape:
            raise OptionError(
                f"pseudo_counts[{name!r}] has shape {given.shape}; its table has {shape} "
                "(parents in order, then the child)."
            )
        if not ((given > 0) & (given < np.inf)).all():
            raise OptionError(f"pseudo_counts[{name!r}] must be positive numbers.")
        return np.broadcast_to(given, shape).copy()


def _draw(posteriors: list[np.ndarray], samples: tuple[int, int], seed: int) -> list[np.ndarray]:
    """Draws of Dirichlet rows, each (chain, draw, parents ..., child)."""
    size = 8 * samples[0] * samples[1] * sum(p.size for p in posteriors)
    if size > _MOST_BYTES:
        raise TooLargeError(
            f"{samples[0]} x {samples[1]} draws of all tables need {size / 1e9:.1f} GB: ask for "
            "fewer draws, or draws=0 for the means alone."
        )
    rng = generator(seed)
    drawn = []
    for posterior in posteriors:
        logs = _log_gamma_draws(rng, posterior, samples)
        logs -= logs.max(axis=-1, keepdims=True)
        weights = np.exp(logs)
        drawn.append(weights / weights.sum(axis=-1, keepdims=True))
    return drawn


def _log_gamma_draws(
    rng: np.random.Generator, shape: np.ndarray, samples: tuple[int, int]
) -> np.ndarray:
    """Logarithms of gamma variables: small shapes underflow otherwise (Marsaglia & Tsang 2000).

    A gamma variable of shape a is one of shape a + 1 times a uniform to the power 1 / a.
    """
    size = (*samples, *shape.shape)
    return np.log(rng.standard_gamma(shape + 1, size)) - rng.exponential(size=size) / shape


def _dataset(skeleton: Skeleton, labels: list[str], drawn: list[np.ndarray]) -> xr.Dataset:
    arrays, coordinates = {}, {}
    for scope, values in zip(skeleton.scopes, drawn, strict=True):
        dims = tuple(f"{labels[v]}_state" for v in scope)
        arrays[labels[scope[-1]]] = (("chain", "draw", *dims), values)
    for v, label in enumerate(labels):
        coordinates[f"{label}_state"] = state_labels(skeleton.states[v] or ())
    coordinates["chain"] = np.arange(drawn[0].shape[0])
    coordinates["draw"] = np.arange(drawn[0].shape[1])
    return xr.Dataset(arrays, coordinates)
