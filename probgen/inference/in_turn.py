"""Run chains one after another in the calling thread, for densities that Python evaluates.

Ctrl-C keeps the finished draws.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from probgen.inference.chains import DONE, Chains, OpenChain
from probgen.inference.collect import collected
from probgen.inference.method import DensityLike, Draws

__all__ = ["run_in_turn"]


def run_in_turn(
    density: DensityLike, chains: Chains, open_chain: Callable[[int], OpenChain]
) -> Draws:
    """Make all stretches with every chain, hand them over, and collect the draws."""
    plan = chains.plan
    opened: dict[int, OpenChain] = {}
    try:
        # Divergences are counted, not shown.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while (stretch := chains.following()) is not None:
                for index in range(plan.chains):
                    outcome = DONE
                    if index not in opened:
                        opened[index] = open_chain(index)
                        outcome = chains.place(opened[index], index)
                    if outcome == DONE:
                        outcome = chains.advance(opened[index], index, stretch)
                    chains.note(index, outcome)
                if chains.failed:
                    break
                chains.deliver(stretch)
    except KeyboardInterrupt:
        chains.interrupted = True
    if plan.progress:
        plan.progress(chains.progress())
    return collected(chains, density, "numpy")
