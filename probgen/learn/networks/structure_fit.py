"""From a learned structure to a fitted network: shared by all learners of structures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.learn.fit import Learned, Learner, Problem
from probgen.learn.networks.pgmpy_search import Found, quiet
from probgen.learn.networks.scores import FamilyScores, structure_score
from probgen.learn.networks.skeleton import Skeleton, directed_skeleton
from probgen.learn.networks.tables import check_complete

__all__ = ["check_for_structures", "fit_parameters", "learn_structure"]


def check_for_structures(problem: Problem, method: str) -> None:
    """Refuse data with holes and single variables (`DataError`)."""
    check_complete(problem.table, method, "a known structure with EM()")
    if len(problem.table.names) < 2:
        raise DataError(f"{method} needs at least two variables; the data have one column.")


def _skeleton(problem: Problem, parents: Sequence[Sequence[int]]) -> Skeleton:
    """The structure with these parents, over the variables of the data."""
    table = problem.table
    names = table.names
    given = {names[v]: [names[p] for p in above] for v, above in enumerate(parents)}
    states = dict(zip(names, table.states, strict=True))
    return directed_skeleton(names, given, states, title="learned network")


def fit_parameters(
    problem: Problem, parents: Sequence[Sequence[int]], parameters: Learner
) -> Learned:
    """The parameters of a learned structure, by another learner."""
    if parameters.learns != "parameters" or parameters.wants != "directed":
        raise OptionError(
            f"parameters={parameters!r}: choose MaximumLikelihood() or BayesianEstimate()."
        )
    skeleton = _skeleton(problem, parents)
    skeleton.check_sizes(problem.table.cards)
    return parameters.learn(replace(problem, skeleton=skeleton))


def learn_structure(
    problem: Problem,
    name: str,
    search: Callable[[FamilyScores], Found],
    scores: FamilyScores,
    parameters: Learner,
) -> Learned:
    """Run a search of pgmpy and fit the tables of what it finds.

    Raises `DataError` when a value is missing.
    """
    check_for_structures(problem, name)
    started = time.perf_counter()
    with quiet():
        found = search(scores)
    searched = time.perf_counter()
    parents = found.parents
    learned = fit_parameters(problem, parents, parameters)
    notes = list(learned.summary.get("notes", []))
    if found.turned:
        notes.append(
            f"The tests contradict each other: {found.turned} edges were turned round to "
            "avoid cycles."
        )
    summary: dict[str, Any] = {
        **learned.summary,
        "edges": sum(map(len, parents)),
        "score": structure_score(scores, parents),
        "score_name": scores.score,
        "families": scores.computed,
        "seconds_searching": searched - started,
        "notes": notes,
    }
    groups = {**learned.groups, "structure": _structure(parents, learned.network.labels())}
    return Learned(learned.network, groups, summary)


def _structure(parents: list[list[int]], labels: list[str]) -> xr.Dataset:
    edges = np.zeros((len(parents), len(parents)), dtype=np.int8)
    for child, above in enumerate(parents):
        edges[above, child] = 1
    return xr.Dataset({"edge": (("parent", "child"), edges)}, {"parent": labels, "child": labels})
