"""Running totals of which only the last is read: sums.

They are the log density that a program adds up in a loop, and gradients with respect to what
all steps share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probgen.compile.families import Irregular
from probgen.compile.ir import DOUBLE, View
from probgen.compile.places import whole
from probgen.compile.steps import Inner, Steps

__all__ = ["Total", "add_up", "running_total"]

_SIGNS = {"({0}+{1})": (1, 1), "({0}-{1})": (1, -1)}


@dataclass(frozen=True)
class Total:
    """A chain of additions over slots: `last` is read by the first of them a step later.

    `terms` are what is added: (slot, operand, sign).
    """

    last: int
    terms: tuple[tuple[int, int, int], ...]


def running_total(steps: Steps, slots: Sequence[int]) -> Total | None:
    """The total that slots which need each other make; None if they make none."""
    terms, links = [], {}
    for slot in slots:
        addition = _addition(steps, slot, set(slots))
        if addition is None:
            return None
        link, term = addition
        terms.append(term)
        links[link.slot] = link.lag
    if len(links) != len(slots) or sum(links.values()) != 1:
        return None
    last = next(slot for slot, lag in links.items() if lag)
    if any(steps.read_by_others(slot, set(slots), last=slot != last) for slot in slots):
        return None
    return Total(last, tuple(terms))


def _addition(
    steps: Steps, slot: int, inside: set[int]
) -> tuple[Inner, tuple[int, int, int]] | None:
    """What a slot adds to which other slot."""
    node, operands = steps.body[slot], steps.operands[slot]
    signs = _SIGNS.get(node.attributes[0]) if node.kind == "pointwise" else None
    chained = [i for i, o in enumerate(operands) if o is not None and o.slot in inside]
    if signs is None or len(chained) != 1 or node.dtype != DOUBLE:
        return None
    at = chained[0]
    link = operands[at]
    if link is None or signs[at] < 0 or not node.views[at].whole:
        return None
    return link, (slot, 1 - at, signs[1 - at])


def add_up(steps: Steps, total: Total) -> None:
    """Compute the last value of a total."""
    graph = steps.places.graph
    together: View | None = None
    for slot, position, sign in total.terms:
        term = steps.family(slot, position)
        if together is not None:
            together = graph.pointwise("({0}+{1})" if sign > 0 else "({0}-{1})", (together, term))
        else:
            together = term if sign > 0 else graph.pointwise("(-{0})", (term,))
    if together is None:
        raise Irregular
    before = steps.places.resolve(whole(steps.node(total.last, -1)))
    result = graph.pointwise("({0}+{1})", (before, graph.reduce("sum", together, [0])))
    steps.places.put_view(steps.node(total.last, steps.count - 1), result)
