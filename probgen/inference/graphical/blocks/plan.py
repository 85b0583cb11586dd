"""Which variables Gibbs must draw together so that zeros in the tables do not trap it.

Single-site Gibbs is wrong without a sign of it when its moves do not connect the support.
What is proven: the support of the core (see `support`) is a product over its components, so the
moves are irreducible when each component lies in one block or, having few states, is connected
by the moves, which is checked by listing them.

A proof alone helps little: single moves may connect the support of a pedigree and yet never
cross it in practice. So everything that zeros, or entries close to zero, tie together is drawn
jointly wherever the tables allow it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from probgen.inference.graphical.blocks.connectivity import Constraint, connected, list_states
from probgen.inference.graphical.blocks.order import Order, eliminate, induced
from probgen.inference.graphical.blocks.support import Support, components
from probgen.targets.factors import Factors

__all__ = ["BlockPlan", "overlapping", "plan_blocks", "single_site_is_safe"]

NEAR_ZERO = (0.025, 1e-3, 0.0)
"""Entries up to this part of a factor's largest one tie variables as zeros do; less, where the
blocks get too wide."""
FEW_STATES = 20_000
"""Components with up to so many states are checked by listing them."""
SHARED_FACTOR = 128
"""Tables that all chains share may be so many times larger than those of each chain."""
MOST_BLOCKS = 6
"""Overlapping blocks for one component that is too wide."""

Tie = tuple[int, ...]


@dataclass(frozen=True)
class BlockPlan:
    """Blocks that are drawn jointly; every free variable in none of them is drawn alone.

    Attributes
    ----------
    blocks: positions of free variables, each block sorted; blocks may overlap.
    irreducible: whether these moves are proven to connect all states of positive probability.
    reason: a sentence for the user on why, and what to do where it is not proven.
    costs: table entries of each block's elimination.

    """

    blocks: tuple[tuple[int, ...], ...]
    irreducible: bool
    reason: str
    costs: tuple[float, ...] = ()


def plan_blocks(factors: Factors, *, limit: int = 2**16) -> BlockPlan:
    """Find blocks that make Gibbs irreducible, at most `limit` table entries each and chain.

    Tables that depend on no variable outside the block are shared by all chains and may have 128
    times as many entries. Raises `EvidenceError` or `ModelError` when no joint state is possible.
    """
    support = Support(factors)
    ties = support.ties()
    if not ties:
        return BlockPlan(
            (), True, "No zeros tie variables together: single moves reach all states."
        )
    draft = _Draft(factors, limit)
    draft.cover(range(len(factors.cards)), [support.ties(part) for part in NEAR_ZERO])
    unproven = draft.unproven(support)
    blocks = tuple(draft.blocks)
    reason = _excuse(factors, unproven) if unproven else _account(factors, blocks)
    return BlockPlan(blocks, not unproven, reason, tuple(draft.blocks.values()))


def single_site_is_safe(factors: Factors) -> bool:
    """Whether moves of single variables are proven to connect all possible states.

    True for networks without zeros. It says nothing about how fast they do.
    """
    return not _Draft(factors, 0).unproven(Support(factors))


@dataclass
class _Draft:
    """Blocks chosen so far, with their entries."""

    factors: Factors
    limit: int
    blocks: dict[tuple[int, ...], float] = field(default_factory=dict)

    def cover(self, variables: Sequence[int], levels: Sequence[Sequence[Tie]]) -> None:
        """Draw what is tied among some variables jointly; if too wide, by the next level's ties.

        With all that it is connected to it may be cheaper, as all chains then share its tables.
        """
        inside = set(variables)
        ties = [tie for tie in levels[0] if inside.issuperset(tie)]
        for part in components(ties):
            if self._holds(part) or self._take(part) or self._take(_reachable(self.factors, part)):
                continue
            if len(levels) > 1:
                self.cover(part, levels[1:])
                continue
            within = [tie for tie in ties if tie[0] in part]
            for block, order in overlapping(self.factors, part, within, self.limit):
                self.blocks[block] = order.entries(self.factors.cards)

    def unproven(self, support: Support) -> list[tuple[int, ...]]:
        """Components of the core that the moves may not connect; adds blocks where that helps."""
        core = support.copy()
        core.fold()
        constraints = core.constraints()
        parts = components(tie for tie, _ in constraints)
        return [part for part in parts if not self._connects(core.domains, constraints, part)]

    def _connects(
        self, domains: list[np.ndarray], constraints: list[Constraint], part: tuple[int, ...]
    ) -> bool:
        if self._holds(part):
            return True
        states = list_states(domains, constraints, part, FEW_STATES)
        if states is not None:
            place = {v: k for k, v in enumerate(part)}
            moves = [[k] for k in range(len(part))]
            moves += [[place[v] for v in block if v in place] for block in self.blocks]
            if connected(states, moves):
                return True
        return self.limit > 0 and self._take(part)

    def _holds(self, variables: tuple[int, ...]) -> bool:
        """Whether one of the blocks has all of these variables."""
        return any(set(variables) <= set(block) for block in self.blocks)

    def _take(self, variables: tuple[int, ...]) -> bool:
        """Make one block of some variables if its tables are small enough."""
        cards = self.factors.cards
        most = self.limit * SHARED_FACTOR
        order = eliminate(induced(self.factors.neighbours, variables), cards, most)
        inside = set(variables)
        reached = {v for v in variables if not self.factors.neighbours[v] <= inside}
        entries = order.entries(cards)
        if order.cutset or entries > most or order.chain_entries(cards, reached) > self.limit:
            return False
        self.blocks[variables] = entries
        return True


def _reachable(factors: Factors, variables: Sequence[int]) -> tuple[int, ...]:
    """Everything that some variables depend on, directly or not."""
    seen = set(variables)
    waiting = list(variables)
    while waiting:
        new = factors.neighbours[waiting.pop()] - seen
        seen |= new
        waiting.extend(new)
    return tuple(sorted(seen))


def overlapping(
    factors: Factors, component: Sequence[int], ties: Iterable[Tie], limit: int
) -> list[tuple[tuple[int, ...], Order]]:
    """Large blocks of at most `limit` entries that cover every variable and, if possible, tie.

    Each block is the component without a cutset; variables that earlier blocks cut are spared.
    """
    cards = factors.cards
    spared: dict[int, float] = {}
    missed = [*map(set, ties), *({v} for v in component)]
    chosen: list[tuple[tuple[int, ...], Order]] = []
    largest = limit / 4
    while missed and len(chosen) < MOST_BLOCKS:
        while True:
            order = eliminate(induced(factors.neighbours, component), cards, largest, spared)
            if order.entries(cards) <= limit or largest < max(cards):
                break
            largest /= 2
        inside = set(order.variables)
        chosen.append((tuple(sorted(inside)), order))
        missed = [tie for tie in missed if not tie <= inside]
        for v in (*order.cutset, *set().union(*missed)):
            spared[v] = spared.get(v, 0.0) + 1
    for tie in missed:
        if math.prod(float(cards[v]) for v in tie) <= limit:
            order = eliminate(induced(factors.neighbours, sorted(tie)), cards)
            chosen.append((tuple(sorted(tie)), order))
    return chosen


def _account(factors: Factors, blocks: Sequence[tuple[int, ...]]) -> str:
    many = len(set().union(*blocks))
    if not blocks:
        return "The zeros leave all possible states within reach of single moves (checked)."
    return (
        f"Zeros and small probabilities tie {many} variables together "
        f"({_some(factors, blocks[0])}); they are drawn jointly in {len(blocks)} "
        f"block{'s' if len(blocks) > 1 else ''}, and every possible state can be reached."
    )


def _excuse(factors: Factors, parts: Sequence[tuple[int, ...]]) -> str:
    many = sum(map(len, parts))
    return (
        f"Zeros in the tables tie {many} variables together ({_some(factors, parts[0])}) too "
        "widely to be drawn jointly; overlapping blocks are drawn instead, and whether they "
        "reach every possible state is not proven. Watch R-hat over chains from different "
        "starts, and compare with exact inference or parallel tempering."
    )


def _some(factors: Factors, variables: Sequence[int]) -> str:
    names = [repr(factors.name(v)) for v in variables[:4]]
    return ", ".join(names) + (", ..." if len(variables) > 4 else "")
