"""Learning one structure: greedy searches and independence tests, run by pgmpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from probgen.errors import OptionError
from probgen.learn.fit import Learned, Learner, Problem
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.pgmpy_search import (
    Found,
    as_dag,
    as_frame,
    as_pgmpy_score,
    by_tests,
    parents_in,
    perturbed,
)
from probgen.learn.networks.scores import FamilyScores, check_score, structure_score
from probgen.learn.networks.structure_fit import learn_structure
from probgen.learn.seeds import generator

__all__ = ["GES", "PC", "HillClimb"]

_MOST_CONDITIONING = 3  # of the tests that only look for a start
TESTS = ("chi_square", "g_sq", "log_likelihood", "modified_log_likelihood")


@dataclass(frozen=True)
class HillClimb:
    """Greedy search over graphs: add, remove or turn the edge that raises the score most.

    Koller & Friedman (2009), section 18.4.3. The first climb begins at the empty graph, the
    second at the graph of `PC`, which is often much better, further ones at the best graph so far
    with some edges changed at random. The group `structure` holds `edge` (parent, child), int8.
    (pgmpy's tabu list only forbids steps that would raise the score, so it is not used.)

    Attributes
    ----------
    score: "bic", "aic", "log_likelihood", "bdeu", "k2" or "jeffreys".
    equivalent_sample_size: of the BDeu score.
    max_parents: of a node; None for as many as the score likes.
    restarts: how many further climbs.
    iterations: the most changes in a climb.
    parameters: learner of the tables of the graph found.

    """

    name: ClassVar[str] = "HillClimb"
    learns: ClassVar[str] = "structure"
    wants: ClassVar[str] = "any"
    needs_oracle: ClassVar[bool] = False

    score: str = "bic"
    equivalent_sample_size: float = 10.0
    max_parents: int | None = None
    restarts: int = 5
    iterations: int = 10_000
    parameters: Learner = field(default_factory=MaximumLikelihood)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_score(self.score, self.equivalent_sample_size)
        _check_counts(max_parents=self.max_parents, iterations=self.iterations)
        if not isinstance(self.restarts, int) or self.restarts < 0:
            raise OptionError(f"restarts={self.restarts!r}: must be an integer of at least 0.")

    def learn(self, problem: Problem) -> Learned:
        """Search and fit. Raises `DataError` when a value is missing."""
        scores = FamilyScores(problem.table.distinct(), self.score, self.equivalent_sample_size)
        return learn_structure(
            problem, self.name, partial(self._search, problem), scores, self.parameters
        )

    def _search(self, problem: Problem, scores: FamilyScores) -> Found:
        """The best of several climbs."""
        best: list[list[int]] = [[] for _ in problem.table.names]
        highest = -np.inf
        for climb in range(self.restarts + 1):
            start = best
            if climb == 1:
                found = by_tests(problem.table, "chi_square", 0.01, _MOST_CONDITIONING)
                start = [above[: self.max_parents] for above in found.parents]
            elif climb > 1:
                start = perturbed(best, self.max_parents, generator(problem.seed, climb))
            parents = self._climb(problem, scores, start)
            value = structure_score(scores, parents)
            if value > highest:
                best, highest = parents, value
            problem.report(climb + 1, self.restarts + 1, f"best score {highest:.6g}")
        return Found(best)

    def _climb(
        self, problem: Problem, scores: FamilyScores, start: list[list[int]]
    ) -> list[list[int]]:
        from pgmpy.causal_discovery import HillClimbSearch

        search = HillClimbSearch(
            scoring_method=as_pgmpy_score(scores),
            start_dag=as_dag(start),
            max_indegree=self.max_parents,
            tabu_length=0,
            max_iter=self.iterations,
            return_type="dag",
            show_progress=False,
        )
        graph = search.fit(as_frame(problem.table)).causal_graph_
        return parents_in(graph, len(problem.table.names)).parents


@dataclass(frozen=True)
class GES:
    """Greedy equivalence search (Chickering 2002), over classes of Markov-equivalent graphs.

    Attributes
    ----------
    score: one that gives Markov-equivalent graphs the same: "bic", "aic" or "bdeu".
    equivalent_sample_size: of the BDeu score.
    parameters: learner of the tables of the graph found.

    """

    name: ClassVar[str] = "GES"
    learns: ClassVar[str] = "structure"
    wants: ClassVar[str] = "any"
    needs_oracle: ClassVar[bool] = False

    score: str = "bic"
    equivalent_sample_size: float = 10.0
    parameters: Learner = field(default_factory=MaximumLikelihood)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_score(self.score, self.equivalent_sample_size)
        if self.score not in ("bic", "aic", "bdeu"):
            raise OptionError(
                f"score={self.score!r}: GES needs one that is equal for equivalent graphs: bic, "
                "aic or bdeu."
            )

    def learn(self, problem: Problem) -> Learned:
        """Search and fit. Raises `DataError` when a value is missing."""
        from pgmpy.causal_discovery import GES as Search

        def search(scores: FamilyScores) -> Found:
            method = Search(scoring_method=as_pgmpy_score(scores), return_type="pdag")
            graph = method.fit(as_frame(problem.table)).causal_graph_
            return parents_in(graph, len(problem.table.names))

        scores = FamilyScores(problem.table.distinct(), self.score, self.equivalent_sample_size)
        return learn_structure(problem, self.name, search, scores, self.parameters)


@dataclass(frozen=True)
class PC:
    """Structure from tests of conditional independence (Spirtes, Glymour & Scheines 2000).

    Attributes
    ----------
    test: "chi_square", "g_sq", "log_likelihood" or "modified_log_likelihood".
    significance_level: of each test; smaller gives fewer edges.
    max_conditioning: the most variables that a test conditions on.
    parameters: learner of the tables of the graph found.

    """

    name: ClassVar[str] = "PC"
    learns: ClassVar[str] = "structure"
    wants: ClassVar[str] = "any"
    needs_oracle: ClassVar[bool] = False

    test: str = "chi_square"
    significance_level: float = 0.01
    max_conditioning: int = 5
    parameters: Learner = field(default_factory=MaximumLikelihood)

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.test not in TESTS:
            raise OptionError(f"test={self.test!r}: choose one of {', '.join(TESTS)}.")
        if not 0 < self.significance_level < 1:
            raise OptionError(f"significance_level={self.significance_level!r}: between 0 and 1.")
        _check_counts(max_conditioning=self.max_conditioning)

    def learn(self, problem: Problem) -> Learned:
        """Test, orient and fit. Raises `DataError` when a value is missing."""

        def search(_: FamilyScores) -> Found:
            level = self.significance_level
            return by_tests(problem.table, self.test, level, self.max_conditioning)

        scores = FamilyScores(problem.table.distinct(), "bic")
        return learn_structure(problem, self.name, search, scores, self.parameters)


def _check_counts(**counts: int | None) -> None:
    for option, value in counts.items():
        if value is not None and (not isinstance(value, int) or value < 1):
            raise OptionError(f"{option}={value!r}: must be a positive integer.")
