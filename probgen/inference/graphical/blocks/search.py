"""A possible joint state by randomised depth-first search with constraint propagation.

Variables are taken by smallest domain, states at random; a state that leads to a contradiction
is removed. The search starts anew with a larger budget whenever it is stuck (Gomes et al. 1998).
"""

from __future__ import annotations

import numpy as np

from probgen.inference.graphical.blocks.support import Contradiction, Support

__all__ = ["find_state"]

FIRST_BUDGET = 50
LAST_BUDGET = 800


def find_state(support: Support, rng: np.random.Generator) -> np.ndarray | None:
    """A state of every variable that all tables of `support` allow, or None if none was found."""
    budget = FIRST_BUDGET
    while budget <= LAST_BUDGET:
        state = _descend(support, rng, budget)
        if state is not None:
            return state
        budget *= 2
    return None


def _descend(support: Support, rng: np.random.Generator, budget: int) -> np.ndarray | None:
    """One search that gives up after `budget` contradictions."""
    # Random numbers break ties, so that variables of equal domains come in any order.
    noise = rng.random(len(support.domains))
    tied = np.array(sorted(set().union(*support.ties())), dtype=np.int64)
    here = support.copy()
    above: list[tuple[Support, int, np.ndarray]] = []  # each with the choice made there
    while True:
        sizes = here.sizes[tied]
        if (sizes == 1).all():
            return np.array([rng.choice(np.flatnonzero(domain)) for domain in here.domains])
        v = int(tied[np.argmin(np.where(sizes > 1, sizes + noise[tied], np.inf))])
        chosen = np.arange(len(here.domains[v])) == rng.choice(np.flatnonzero(here.domains[v]))
        above.append((here, v, chosen))
        here = here.copy()
        choice = ~chosen
        while not _narrow(here, v, choice):
            budget -= 1
            if budget == 0 or not above:
                return None
            # The last choice cannot be: take it back and forbid it.
            here, v, choice = above.pop()


def _narrow(support: Support, v: int, dead: np.ndarray) -> bool:
    """Remove states and propagate; whether something is left."""
    try:
        support.propagate(support.remove(v, dead))
    except Contradiction:
        return False
    return True
