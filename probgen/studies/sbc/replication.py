"""One replication: a draw of parameters and data, an inference from the data, and the ranks.

Under the null hypothesis the truth is one more draw of the posterior, so that its rank among L
independent draws is uniform on 0 ... L (Cook, Gelman & Rubin 2006; Talts et al. 2018).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from arviz_stats.base import array_stats

from probgen.errors import ProbgenError

__all__ = ["Case", "Posterior", "Replication", "Study", "rank_among", "replicate", "seeds_of"]

MOST_GROWTH = 8
"""A run that mixes too slowly for the ranks is made once more, at most so many times as long."""


@dataclass(frozen=True)
class Case:
    """Known truth, by quantity, and whatever the study infers it from."""

    truth: Mapping[str, np.ndarray]
    given: Any


@dataclass(frozen=True)
class Posterior:
    """Draws of every quantity, (chain, draw, *shape of the truth), and divergent transitions."""

    draws: Mapping[str, np.ndarray]
    divergences: int = 0


class Study(Protocol):
    """A model with its method: what `replicate` repeats."""

    @property
    def seed(self) -> int:
        """Everything random follows from it."""

    @property
    def ranks(self) -> int:
        """Draws that the truth is ranked among."""

    @property
    def draws(self) -> int:
        """Draws of one chain, before thinning."""

    def case(self, index: int) -> Case:
        """The truth and data of replication `index`."""

    def infer(self, case: Case, index: int, draws: int) -> Posterior:
        """Run the method on the data of a case."""


@dataclass(frozen=True)
class Replication:
    """What one replication found; arrays by quantity, of the quantity's shape."""

    index: int
    ranks: Mapping[str, np.ndarray] = field(default_factory=dict)
    """0 ... L; -1 where truth or draws are not finite."""
    truth: Mapping[str, np.ndarray] = field(default_factory=dict)
    mean: Mapping[str, np.ndarray] = field(default_factory=dict)
    sd: Mapping[str, np.ndarray] = field(default_factory=dict)
    ess: float = math.nan
    """Smallest effective sample size, bulk and tail, of the draws before thinning."""
    divergences: int = 0
    seconds: float = 0.0
    error: str | None = None
    """Why there are no ranks."""

    def as_json(self) -> str:
        """One line of JSON; numbers keep all their bits."""
        arrays = {n: _lists(getattr(self, n)) for n in ("ranks", "truth", "mean", "sd")}
        scalars = {n: getattr(self, n) for n in ("ess", "divergences", "seconds", "error")}
        return json.dumps({"replication": self.index, **arrays, **scalars})

    @classmethod
    def from_json(cls, line: str) -> Replication:
        """Read a line of `as_json`; raises ValueError, KeyError or TypeError for any other."""
        row = json.loads(line)
        return cls(
            int(row["replication"]),
            _arrays(row["ranks"], np.int64),
            _arrays(row["truth"], float),
            _arrays(row["mean"], float),
            _arrays(row["sd"], float),
            ess=float(row["ess"]),
            divergences=int(row["divergences"]),
            seconds=float(row["seconds"]),
            error=row["error"],
        )


def replicate(study: Study, index: int) -> Replication:
    """Replication `index` of a study; its errors are told in the result, not raised."""
    started = time.perf_counter()
    try:
        case = study.case(index)
        posterior = study.infer(case, index, study.draws)
        ess = smallest_ess(posterior.draws)
        if ess < study.ranks:
            growth = min(MOST_GROWTH, math.ceil(1.2 * study.ranks / max(ess, 1.0)))
            posterior = study.infer(case, index, study.draws * growth)
            ess = smallest_ess(posterior.draws)
    except (ProbgenError, ArithmeticError, np.linalg.LinAlgError, ValueError) as error:
        text = f"{type(error).__name__}: {error}"
        return Replication(index, seconds=time.perf_counter() - started, error=text)
    rng = np.random.default_rng(seeds_of(study.seed, index, 2)[1])
    names = [name for name in case.truth if name in posterior.draws]
    pooled = {n: posterior.draws[n].reshape(-1, *posterior.draws[n].shape[2:]) for n in names}
    truth = {n: np.asarray(case.truth[n], dtype=float) for n in names}
    return Replication(
        index,
        ranks={n: rank_among(truth[n], _thinned(pooled[n], study.ranks), rng) for n in names},
        truth=truth,
        mean={n: pooled[n].mean(axis=0) for n in names},
        sd={n: pooled[n].std(axis=0) for n in names},
        ess=ess,
        divergences=posterior.divergences,
        seconds=time.perf_counter() - started,
    )


def rank_among(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many of `draws` (n, *shape) lie below `truth` (*shape); ties are broken at random."""
    below, equal = (draws < truth).sum(axis=0), (draws == truth).sum(axis=0)
    ranks = below + rng.integers(0, equal, endpoint=True)
    known = np.isfinite(truth) & np.isfinite(draws).all(axis=0)
    return np.where(known, ranks, -1)


def seeds_of(seed: int, index: int, count: int) -> list[int]:
    """Independent 32-bit seeds of one replication."""
    return [int(s) for s in np.random.SeedSequence([seed % 2**64, index]).generate_state(count)]


def smallest_ess(draws: Mapping[str, np.ndarray]) -> float:
    """Smallest bulk or tail ESS over all scalars of `draws` that move; infinite if none does."""
    smallest = math.inf
    for values in draws.values():
        series = np.moveaxis(values.reshape(*values.shape[:2], -1), 2, 0)
        moving = np.isfinite(series).all(axis=(1, 2)) & (np.ptp(series, axis=(1, 2)) > 0)
        series = series[moving].astype(float)
        if not len(series):
            continue
        with np.errstate(all="ignore"):
            found = [
                array_stats.ess(series, method="bulk"),
                array_stats.ess(series, method="tail", prob=(0.05, 0.95)),
            ]
        finite = np.concatenate([np.ravel(f) for f in found])
        smallest = min(smallest, float(np.min(finite[np.isfinite(finite)], initial=math.inf)))
    return smallest


def _thinned(pooled: np.ndarray, count: int) -> np.ndarray:
    """`count` rows of all, as far apart as they can be."""
    return pooled[np.linspace(0, len(pooled) - 1, count).round().astype(int)]


def _lists(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {name: np.asarray(array).tolist() for name, array in arrays.items()}


def _arrays(lists: Mapping[str, Any], dtype: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, dtype=dtype) for name, values in lists.items()}
