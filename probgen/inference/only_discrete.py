"""Programs whose latent sites are all discrete: nothing to move, so that draws are exact."""

from __future__ import annotations

import numpy as np

from probgen.inference.method import Draws, Plan
from probgen.targets.density import Density

__all__ = ["independent_draws", "only_discrete"]


def only_discrete(density: Density) -> bool:
    """Whether a program has latent sites, and none of them is continuous."""
    return not density.dim and bool(density.program.enumerated)


def independent_draws(density: Density, plan: Plan) -> Draws:
    """Empty continuous draws, beside which the discrete sites are drawn exactly later.

    `lp` is the log of the sum of the joint density over all values (nats): the log evidence.
    """
    value, _ = density.value_and_grad(np.zeros(0))
    shape = (plan.chains, plan.draws)
    note = (
        "All latent sites are discrete: they were summed out and drawn exactly, each draw "
        "independent of the others; no chain was run."
    )
    summary = {"engine": "exact", "gradient_evaluations": 0, "interrupted": False, "notes": [note]}
    return Draws(np.empty((*shape, 0)), {"lp": np.full(shape, value)}, summary=summary)
