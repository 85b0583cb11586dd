"""The one loop of methods that simulate: a batch, what is found so far, and on to the next.

The state after a batch is a value of its own, so that a Ctrl-C at any moment leaves one that is
whole: at most the batch in hand is lost. Random numbers depend on the seed and the place in the
run alone, so a state holds no generators.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from probgen.inference.likelihood_free.population import Outcome
from probgen.inference.likelihood_free.settings import SimulationPlan

__all__ = ["Steps", "work"]


class Steps(Protocol):
    """A method with its plan. States are values, and nothing else changes."""

    def begin(self) -> Any:
        """Where the plan's state stands, or before the first simulation."""

    def goes_on(self, state: Any) -> bool:
        """Whether there is more to do."""

    def step(self, state: Any) -> Any:
        """After one batch of simulations more."""

    def told(self, state: Any) -> tuple[int, int, str]:
        """How much is done, of how much, and what to tell of it."""

    def outcome(self, state: Any, whole: bool) -> Outcome | None:
        """What has been found; None where that is no draw for every chain.

        With `whole` the run is over; raises `SamplingError` if it failed.
        """

    def arrays(self, state: Any) -> dict[str, np.ndarray]:
        """All of a state by name, for `begin` of another run; `made` among it, simulations."""


def work(steps: Steps, plan: SimulationPlan) -> tuple[Outcome, bool]:
    """Make all batches; what was found, and whether an interrupt ended them early.

    Raises KeyboardInterrupt where it came before the first draw.
    """
    state, interrupted = steps.begin(), False
    try:
        while steps.goes_on(state):
            state = steps.step(state)
            plan.keep(steps, state)
            plan.show(*steps.told(state))
    except KeyboardInterrupt:
        interrupted = True
    plan.keep(steps, state)
    found = steps.outcome(state, whole=not interrupted)
    if found is None:
        raise KeyboardInterrupt
    return found, interrupted
