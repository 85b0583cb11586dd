"""The joint posterior of any few variables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from probgen.errors import OptionError, TooLargeError
from probgen.inference.graphical.elimination.memory import limit_bytes, readable
from probgen.inference.graphical.elimination.restrict import tie
from probgen.inference.graphical.elimination.tree import calibrate
from probgen.targets.factors import Factors

__all__ = ["joint_marginal"]


def joint_marginal(
    factors: Factors, variables: Sequence[int], memory: float | None = None
) -> np.ndarray:
    """Joint probabilities of free variables, by position; one axis for each, as they are named.

    Raises `OptionError` for a variable named twice, `TooLargeError` when the table or the
    elimination is beyond `memory` (GB), `EvidenceError` when the evidence is impossible.
    """
    if len(set(variables)) != len(variables):
        raise OptionError(f"A variable is named twice in {list(variables)}.")
    if not variables:
        return np.ones(())
    size = 8 * math.prod(int(factors.cards[v]) for v in variables)
    if size > limit_bytes(memory):
        raise TooLargeError(
            f"The joint table of {len(variables)} variables takes {readable(size)}; the limit is "
            f"{readable(limit_bytes(memory))}. Ask for fewer variables, or draw from pg.Exact()."
        )
    return calibrate(tie(factors, variables), memory).clique(variables)
