"""Starting states of positive probability that lie far apart.

In the order tried: any states where there are no zeros; exact draws from the flattened
distribution (square root of the probabilities, zeros kept); exact draws from the uniform
distribution over possible states; a randomised search with constraint propagation and
backtracking, spread by block draws from the flattened distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from probgen.errors import InitialisationError, SamplingError
from probgen.inference.graphical.blocks.order import eliminate, induced
from probgen.inference.graphical.blocks.plan import BlockPlan, overlapping
from probgen.inference.graphical.blocks.sampler import BlockSampler
from probgen.inference.graphical.blocks.search import find_state
from probgen.inference.graphical.blocks.support import Support, components, impossible
from probgen.targets.factors import Factors

__all__ = ["starting_states"]

FLATNESS = 0.5
"""Power of the probabilities that starting states are drawn from."""
MOST_ENTRIES = 2**22
"""Table entries up to which starting states are drawn exactly."""
DISTINCT = 8
"""States looked for by search; further chains start from these, spread by block draws."""
SPREADING_SWEEPS = 20
BLOCK_ENTRIES = 2**14


def starting_states(factors: Factors, chains: int, seed: int) -> np.ndarray:
    """Over-dispersed states of positive probability, (free variables, chains).

    uint8, or uint16 where a variable has more than 256 states. Raises `EvidenceError` or
    `ModelError` when no state is possible, and `InitialisationError` when none was found within
    the budget of the search.
    """
    rng = np.random.default_rng(abs(seed) * 2 + (seed < 0))
    support = Support(factors)
    states = _anywhere(support, chains, rng)
    if not support.scopes:
        return states
    everything = tuple(range(len(factors.cards)))
    for candidate in (_flattened(factors), _uniform(support)):
        order = eliminate(induced(candidate.neighbours, everything), candidate.cards, MOST_ENTRIES)
        if not order.cutset and order.entries(candidate.cards) <= MOST_ENTRIES:
            sampler = BlockSampler(candidate, BlockPlan((everything,), True, ""))
            try:
                sampler.sweep(states, _key(rng), 0)
            except SamplingError:
                raise impossible(factors) from None
            return states
    found = [find_state(support, rng) for _ in range(min(chains, DISTINCT))]
    if any(state is None for state in found):
        raise _not_found(factors, support)
    for chain in range(chains):
        states[:, chain] = found[chain % DISTINCT]
    return _spread(factors, support, states, rng)


def _anywhere(support: Support, chains: int, rng: np.random.Generator) -> np.ndarray:
    """States that each variable alone may take."""
    dtype = np.uint8 if max(map(len, support.domains), default=1) <= 256 else np.uint16
    states = np.zeros((len(support.domains), chains), dtype=dtype)
    for v, domain in enumerate(support.domains):
        states[v] = rng.choice(np.flatnonzero(domain), chains)
    return states


def _flattened(factors: Factors) -> Factors:
    return replace(factors, log_tables=tuple(FLATNESS * table for table in factors.log_tables))


def _uniform(support: Support) -> Factors:
    """The possible states alone: domains, and what the tables tie."""
    scopes: list[tuple[int, ...]] = [(v,) for v in range(len(support.domains))]
    allowed = list(support.domains)
    for tie, table in support.constraints():
        scopes.append(tie)
        allowed.append(table)
    with np.errstate(divide="ignore"):
        tables = tuple(np.log(table.astype(np.float64)) for table in allowed)
    return replace(
        support.factors, scopes=tuple(scopes), log_tables=tables, children=(None,) * len(scopes)
    )


def _spread(
    factors: Factors, support: Support, states: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    flattened = _flattened(factors)
    everything = range(len(factors.cards))
    chosen = overlapping(flattened, everything, support.ties(), BLOCK_ENTRIES)
    blocks = tuple(block for block, _ in chosen)
    sampler = BlockSampler(flattened, BlockPlan(blocks, False, ""))
    key = _key(rng)
    for sweep in range(SPREADING_SWEEPS):
        sampler.sweep(states, key, sweep)
    return states


def _key(rng: np.random.Generator) -> int:
    return int(rng.integers(0, 2**63))


def _not_found(factors: Factors, support: Support) -> InitialisationError:
    largest: Sequence[int] = max(components(support.ties()), key=len)
    names = ", ".join(repr(factors.name(v)) for v in largest[:6])
    given = f" given {factors.describe_evidence()}" if factors.evidence else ""
    return InitialisationError(
        f"No joint state of positive probability was found{given}: the zeros tie {len(largest)} "
        f"variables together ({names}, ...). Use exact inference (its max-product finds one if "
        "there is any), take back some evidence, or replace zeros by small probabilities."
    )
