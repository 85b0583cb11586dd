"""Every allowed set of parents of every node, with its log weight: the table a walk needs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probgen.errors import OptionError, TooLargeError
from probgen.learn.networks.scores import FamilyScores

__all__ = ["STRUCTURE_PRIORS", "ParentSets", "tabulate"]

STRUCTURE_PRIORS = ("uniform", "modular")
_MOST_NODES = 64  # bits of a set
_MOST_FAMILIES = 500_000  # about a minute of counting


@dataclass(frozen=True, eq=False)
class ParentSets:
    """masks: sets as bits, uint64 (node, set), ascending. weights: log (nats), float64."""

    masks: np.ndarray
    weights: np.ndarray
    max_parents: int

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.masks)


def tabulate(
    scores: FamilyScores,
    max_parents: int,
    prior: str = "uniform",
    report: Callable[[int, int, str], None] = lambda done, total, detail: None,
) -> ParentSets:
    """Score and log prior of all families with at most `max_parents` parents.

    `prior`: "uniform" over graphs, or "modular" (Friedman & Koller 2003): each number of parents
    of a node equally likely. Raises `TooLargeError` with the number of families.
    """
    if prior not in STRUCTURE_PRIORS:
        raise OptionError(f"prior={prior!r}: choose one of {', '.join(STRUCTURE_PRIORS)}.")
    nodes = len(scores.table.names)
    most = min(max_parents, nodes - 1)
    sets = sum(math.comb(nodes - 1, k) for k in range(most + 1))
    if nodes > _MOST_NODES or nodes * sets > _MOST_FAMILIES:
        raise TooLargeError(
            f"{nodes} variables with up to {most} parents have {nodes * sets:.3g} families; the "
            f"posterior over structures is for at most {_MOST_NODES} variables and "
            f"{_MOST_FAMILIES:.3g} families. Lower max_parents, or use HillClimb()."
        )
    masks = np.empty((nodes, sets), dtype=np.uint64)
    weights = np.empty((nodes, sets))
    for child in range(nodes):
        report(child, nodes, "scoring families")
        others = [v for v in range(nodes) if v != child]
        row = [
            (sum(1 << v for v in parents), scores.of(child, parents) + _log_prior(prior, nodes, k))
            for k in range(most + 1)
            for parents in itertools.combinations(others, k)
        ]
        row.sort()
        masks[child] = [mask for mask, _ in row]
        weights[child] = [weight for _, weight in row]
    return ParentSets(masks, weights, most)


def _log_prior(prior: str, nodes: int, parents: int) -> float:
    return -math.log(math.comb(nodes - 1, parents)) if prior == "modular" else 0.0
