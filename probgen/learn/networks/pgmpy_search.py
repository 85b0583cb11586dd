"""Structures by pgmpy's searches, with our scores, the same answer in every process.

pgmpy walks through sets of variable names, whose order differs from process to process for
text; here variables are numbers, so that ties (Markov-equivalent graphs have equal scores) are
broken the same way each time. Families are scored from counts of distinct rows and remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen.learn.networks.scores import FamilyScores
from probgen.learn.table import Table

__all__ = [
    "Found",
    "as_dag",
    "as_frame",
    "as_pgmpy_score",
    "by_tests",
    "parents_in",
    "perturbed",
    "quiet",
]


def as_frame(table: Table) -> Any:
    """The data as pgmpy takes them: categorical columns 1, 2, ... (0 is a trap for it)."""
    import pandas as pd

    columns = {
        v + 1: pd.Categorical(table.codes[:, v], categories=range(card))
        for v, card in enumerate(table.cards.tolist())
    }
    return pd.DataFrame(columns)


def as_pgmpy_score(scores: FamilyScores) -> Any:
    """Our scores as an object that pgmpy's searches call."""
    from pgmpy.structure_score import BaseStructureScore

    class Score(BaseStructureScore):
        """Score of a family, variables counted from 1."""

        def __init__(self) -> None:
            super(BaseStructureScore, self).__init__()  # the base class wants the data

        def local_score(self, variable: int, parents: Sequence[int]) -> float:
            return scores.of(variable - 1, [parent - 1 for parent in parents])

    return Score()


@dataclass(frozen=True)
class Found:
    """Parents of each node, ascending; how many edges were turned round to avoid cycles."""

    parents: list[list[int]]
    turned: int = 0


def as_dag(parents: Sequence[Sequence[int]]) -> Any:
    """A graph as pgmpy takes it, over 1, 2, ..."""
    from pgmpy.base import DAG

    dag = DAG()
    dag.add_nodes_from(range(1, len(parents) + 1))
    dag.add_edges_from((p + 1, v + 1) for v, above in enumerate(parents) for p in above)
    return dag


def perturbed(
    parents: Sequence[Sequence[int]], max_parents: int | None, rng: np.random.Generator
) -> list[list[int]]:
    """A graph with up to two random changes per node; still acyclic."""
    changed = [list(above) for above in parents]
    nodes = len(changed)
    most = nodes if max_parents is None else max_parents
    for _ in range(2 * nodes):
        parent, child = (int(v) for v in rng.choice(nodes, 2, replace=False))
        if parent in changed[child]:
            changed[child].remove(parent)
        elif len(changed[child]) < most and not _is_above(changed, child, parent):
            changed[child].append(parent)
    return changed


def by_tests(table: Table, test: str, significance_level: float, conditioning: int) -> Found:
    """The graph of the PC algorithm, with tests on at most `conditioning` other variables.

    Variables with one value in all rows are left alone: pgmpy takes a test without degrees of
    freedom for a dependence.
    """
    from pgmpy.causal_discovery import PC

    frame = as_frame(table)
    frame = frame[[name for name in frame if frame[name].nunique() > 1]]
    if frame.shape[1] < 2:
        return Found([[] for _ in table.names])
    search = PC(
        variant="stable",
        ci_test=test,
        significance_level=significance_level,
        max_cond_vars=conditioning,
        n_jobs=1,
        show_progress=False,
    )
    return parents_in(search.fit(frame).causal_graph_, len(table.names))


def parents_in(graph: Any, nodes: int) -> Found:
    """The graph behind a DAG or PDAG over 1, 2, ...

    Undirected edges of a PDAG are directed without new colliders where that is possible (Dor &
    Tarsi 1992, as pgmpy does it); all choices are Markov-equivalent then. A PDAG from tests that
    contradict each other may not allow it: an edge that would close a cycle is turned round.
    """
    directed = graph.to_dag() if hasattr(graph, "undirected_neighbors") else graph
    parents: list[list[int]] = [[] for _ in range(nodes)]
    turned = 0
    for parent, child in sorted((int(u) - 1, int(v) - 1) for u, v in directed.edges()):
        if parent in parents[child] or child in parents[parent]:
            continue
        if _is_above(parents, child, parent):
            parent, child, turned = child, parent, turned + 1
        parents[child].append(parent)
    return Found([sorted(above) for above in parents], turned)


def _is_above(parents: list[list[int]], node: int, other: int) -> bool:
    """Whether `node` is an ancestor of `other`."""
    waiting, seen = [other], {other}
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent == node:
                return True
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return False


@contextmanager
def quiet() -> Iterator[None]:
    """pgmpy without progress bars, log messages and global random numbers left changed."""
    import logging

    from pgmpy import config

    logger = logging.getLogger("pgmpy")
    level, shown, state = logger.level, config.get_show_progress(), np.random.get_state()
    logger.setLevel(logging.ERROR)
    config.set_show_progress(False)
    try:
        yield
    finally:
        logger.setLevel(level)
        config.set_show_progress(shown)
        np.random.set_state(state)
