"""From a learned structure to a fitted network: shared by all learners of structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from probgen.errors import DataError, OptionError
from probgen.learn.fit import Learned, Learner, Problem
from probgen.learn.networks.skeleton import Skeleton, directed_skeleton
from probgen.learn.networks.tables import check_complete

__all__ = ["check_for_structures", "fit_parameters", "skeleton_of"]


def check_for_structures(problem: Problem, method: str) -> None:
    """Refuse data with holes and single variables (`DataError`)."""
    check_complete(problem.table, method, "a known structure with EM()")
    if len(problem.table.names) < 2:
        raise DataError(f"{method} needs at least two variables; the data have one column.")


def skeleton_of(problem: Problem, parents: Sequence[Sequence[int]]) -> Skeleton:
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
    skeleton = skeleton_of(problem, parents)
    skeleton.check_sizes(problem.table.cards)
    return parameters.learn(replace(problem, skeleton=skeleton))
