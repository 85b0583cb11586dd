"""Which part of impossible evidence contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from probgen.errors import BuildError, EvidenceError, ModelError, ProbgenError
from probgen.inference.graphical.elimination.native_tree import NativeTree
from probgen.inference.graphical.elimination.numpy_tree import NumpyTree
from probgen.inference.graphical.elimination.plan import plan_elimination
from probgen.targets.factors import Factors, condition

__all__ = ["impossible_evidence"]

MOST_ENTRIES = 2e7
"""Table entries to spend on finding out: about a second."""


def impossible_evidence(factors: Factors) -> ProbgenError:
    """The error to raise when every joint state has probability zero.

    It names a part of the evidence that is impossible by itself, as small as can be found
    cheaply by leaving items out (delta debugging, Zeller & Hildebrandt 2002).
    """
    network = factors.network
    search = _Search(factors)
    if not factors.evidence or search.impossible({}):
        return ModelError(
            f"The factors of {network.title!r} contradict each other: every joint state has "
            "probability zero. A table with too many zeros is the usual reason."
        )
    if not search.impossible(factors.evidence):
        return EvidenceError(
            f"Impossible evidence: {factors.describe_evidence()} and the likelihoods given for "
            "other variables together have probability zero."
        )
    guilty = search.reduce(list(factors.evidence))
    told = ", ".join(
        f"{network.names[v]}={network.states[v][factors.evidence[v]]}" for v in guilty
    )
    rest = len(factors.evidence) - len(guilty)
    others = f" (whatever the {rest} other observed variables are)" if rest else ""
    return EvidenceError(
        f"Impossible evidence: {told} has probability zero{others}. Leave out or correct one of "
        "these."
    )


class _Search:
    """Tries parts of the evidence until the allowance is spent."""

    def __init__(self, factors: Factors):
        self._factors = factors
        self._spent = 0.0

    def reduce(self, guilty: list[int]) -> list[int]:
        """A part of `guilty` that is still impossible, from which nothing can be left out."""
        size = max(len(guilty) // 2, 1)
        while len(guilty) > 1:
            for start in range(0, len(guilty), size):
                fewer = guilty[:start] + guilty[start + size :]
                if fewer and self.impossible(fewer):
                    guilty = fewer
                    break
            else:
                if size == 1:
                    return guilty
                size = max(size // 2, 1)
        return guilty

    def impossible(self, kept: Iterable[int]) -> bool:
        """Whether this part of the evidence is known to have probability zero."""
        evidence = {v: self._factors.evidence[v] for v in kept}
        try:
            factors = condition(self._factors.network, evidence)
        except EvidenceError:
            return True
        plan = plan_elimination(factors)
        self._spent += plan.entries
        if self._spent > MOST_ENTRIES:
            return False
        try:
            return NativeTree.calibrate(plan, factors).log_z == -np.inf
        except BuildError:
            return NumpyTree.calibrate(plan, factors).log_z == -np.inf
