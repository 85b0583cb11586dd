"""The posterior over structures of Bayesian networks, by Metropolis-Hastings over graphs.

Madigan & York (1995), with the moves of Grzegorczyk & Husmeier (2008) and Goudie & Mukherjee
(2016), which make the walk mix where single edges do not. The probability of a graph is its
prior times the marginal likelihood of the data, parameters integrated out.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from probgen.errors import BuildError, OptionError
from probgen.learn.fit import Learned, Learner, Problem
from probgen.learn.networks.bayesian_estimate import BayesianEstimate
from probgen.learn.networks.dag_walk import MOVES, NativeWalk, PythonWalk, Walker, library
from probgen.learn.networks.edge_draws import (
    edge_dataset,
    edge_probabilities,
    log_score_r_hat,
    stats_dataset,
)
from probgen.learn.networks.parent_sets import STRUCTURE_PRIORS, ParentSets, tabulate
from probgen.learn.networks.scores import FamilyScores, check_score
from probgen.learn.networks.structure_fit import check_for_structures, fit_parameters
from probgen.learn.seeds import generator

__all__ = ["StructureMCMC"]

_SLICE = 20_000  # steps of a chain between two looks at the clock and the keyboard
_HIGHEST_R_HAT = 1.01


@dataclass(frozen=True)
class StructureMCMC:
    """Draws from the posterior over directed acyclic graphs.

    The group `posterior` holds `edge` (chain, draw, parent, child), int8; `sample_stats` has
    `log_score` (nats, not normalised) and `accepted`; `edges` the probability of every edge with
    Monte Carlo error, R-hat and ESS. The network handed back is the best graph drawn, with
    `parameters` fitted. The first chain begins at the empty graph, the others at random ones.

    Attributes
    ----------
    score: "bdeu", "k2", "jeffreys" (marginal likelihoods), or "bic" as an approximation.
    equivalent_sample_size: of the BDeu prior.
    prior: over graphs, "uniform", or "modular" (each number of parents equally likely).
    max_parents: of a node; all families up to it are scored beforehand.
    chains, draws, warmup: draws are kept `thin` steps apart; `warmup` draws are thrown away.
    thin: steps between two draws.
    family, reversal: shares of these moves; the rest changes single edges.
    parameters: learner of the tables of the best graph.

    """

    name: ClassVar[str] = "StructureMCMC"
    learns: ClassVar[str] = "structure"
    wants: ClassVar[str] = "any"
    needs_oracle: ClassVar[bool] = False

    score: str = "bdeu"
    equivalent_sample_size: float = 10.0
    prior: str = "uniform"
    max_parents: int = 3
    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    thin: int = 200
    family: float = 0.2
    reversal: float = 0.2
    parameters: Learner = field(default_factory=lambda: BayesianEstimate(draws=0))

    def __post_init__(self) -> None:
        """Check the settings."""
        check_score(self.score, self.equivalent_sample_size)
        if self.prior not in STRUCTURE_PRIORS:
            raise OptionError(
                f"prior={self.prior!r}: choose one of {', '.join(STRUCTURE_PRIORS)}."
            )
        least = {"max_parents": 1, "chains": 1, "draws": 1, "warmup": 0, "thin": 1}
        for option, lowest in least.items():
            value = getattr(self, option)
            if not isinstance(value, int) or value < lowest:
                raise OptionError(f"{option}={value!r}: must be an integer of at least {lowest}.")
        if min(self.family, self.reversal) < 0 or self.family + self.reversal >= 1:
            raise OptionError(
                f"family={self.family!r}, reversal={self.reversal!r}: shares of moves, together "
                "below 1, so that single edges can change."
            )

    def learn(self, problem: Problem) -> Learned:
        """Score all families, then walk. Raises `DataError`, `TooLargeError`."""
        check_for_structures(problem, self.name)
        started = time.perf_counter()
        distinct = problem.table.distinct()
        scores = FamilyScores(distinct, self.score, self.equivalent_sample_size)
        sets = tabulate(scores, self.max_parents, self.prior, problem.report)
        scored = time.perf_counter()
        walkers, engine, notes = self._walkers(sets, problem.seed)
        graphs, log_weights, accepted = self._walk(walkers, problem)
        walked = time.perf_counter()
        parents = _best(graphs, log_weights)
        learned = fit_parameters(problem, parents, self.parameters)
        posterior = edge_dataset(graphs, learned.network.labels())
        stats = stats_dataset(log_weights, accepted)
        edges = edge_probabilities(posterior)
        groups = {"posterior": posterior, "sample_stats": stats, "edges": edges}
        worst = float(edges["r_hat"].max(skipna=True))
        score_r_hat = log_score_r_hat(stats)
        summary: dict[str, Any] = {
            "engine": engine,
            "log_score": float(log_weights.max()),
            "log_likelihood": learned.summary.get("log_likelihood"),
            "worst_r_hat": worst,
            "log_score_r_hat": score_r_hat,
            "steps": self.chains * self.thin * (self.draws + self.warmup),
            "moves_taken": _shares(walkers),
            "families": int(sets.masks.size),
            "seconds_scoring": scored - started,
            "seconds_walking": walked - scored,
            "notes": [*notes, *_warnings(worst, score_r_hat), *learned.summary.get("notes", [])],
        }
        return Learned(learned.network, groups, summary)

    def _walkers(self, sets: ParentSets, seed: int) -> tuple[list[Walker], str, list[str]]:
        keys = [int(k) for k in generator(seed).integers(0, 2**64, self.chains, dtype=np.uint64)]
        starts = [random_graph(sets, generator(seed, c), c == 0) for c in range(self.chains)]
        pairs = list(zip(starts, keys, strict=True))
        try:
            library()
        except BuildError as error:
            slow = [PythonWalk(sets, s, k, self.family, self.reversal) for s, k in pairs]
            return list(slow), "python", [f"The walk ran in Python, slowly: {error}"]
        fast = [NativeWalk(sets, s, k, self.family, self.reversal) for s, k in pairs]
        return list(fast), "native", []

    def _walk(
        self, walkers: list[Walker], problem: Problem
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All chains in slices, so that progress is seen; Ctrl-C stops a slice that is long."""
        whole = self.warmup + self.draws
        step = max(1, _SLICE // self.thin)
        parts = []
        with ThreadPoolExecutor(max_workers=len(walkers)) as pool:
            try:
                for first in range(0, whole, step):
                    size = min(step, whole - first)
                    parts.append(list(pool.map(lambda w, n=size: w.run(n, self.thin), walkers)))
                    phase = "warm-up" if first < self.warmup else "sampling"
                    problem.report(first + size, whole, phase)
            except KeyboardInterrupt:
                for walker in walkers:
                    walker.stop()
                raise
        join = [
            np.stack(
                [np.concatenate([getattr(p[c], name) for p in parts]) for c in range(self.chains)]
            )[:, self.warmup :]
            for name in ("graphs", "log_weights", "accepted")
        ]
        return join[0], join[1], join[2]


def random_graph(sets: ParentSets, rng: np.random.Generator, empty: bool) -> np.ndarray:
    """An acyclic graph in random order with random numbers of parents, or without edges."""
    parents = np.zeros(sets.nodes, dtype=np.uint64)
    if empty:
        return parents
    order = rng.permutation(sets.nodes)
    for place, node in enumerate(order):
        count = int(rng.integers(0, min(place, sets.max_parents) + 1))
        for parent in rng.choice(order[:place], count, replace=False) if count else ():
            parents[node] |= np.uint64(1 << int(parent))
    return parents


def _best(graphs: np.ndarray, log_weights: np.ndarray) -> list[list[int]]:
    """Parents in the graph of highest weight."""
    chain, draw = np.unravel_index(int(log_weights.argmax()), log_weights.shape)
    masks = [int(mask) for mask in graphs[chain, draw]]
    return [[u for u in range(len(masks)) if mask >> u & 1] for mask in masks]


def _shares(walkers: list[Walker]) -> dict[str, float]:
    shares = {}
    for k, move in enumerate(MOVES):
        tried = sum(w.tried[k] for w in walkers)
        shares[move] = sum(w.taken[k] for w in walkers) / tried if tried else float("nan")
    return shares


def _warnings(worst: float, score_r_hat: float) -> list[str]:
    if not (worst > _HIGHEST_R_HAT or score_r_hat > _HIGHEST_R_HAT):
        return []
    return [
        f"The chains do not agree yet (R-hat up to {max(worst, score_r_hat):.3g}): ask for a "
        "larger thin, or more draws."
    ]
