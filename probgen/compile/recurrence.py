"""Slots that carry values from step to step: one serial loop, as a node of kind "loop".

Its buffer holds, slot after slot, what the steps compute and others read, one step after the
other; before that come the values that the first steps read. In the body, nodes of kind "moving"
stand for memory that moves on with the step, nodes of kind "carried" for scalars of earlier
steps, which live in variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from probgen.compile.families import Irregular
from probgen.compile.ir import DOUBLE, INT, Node, View, contiguous_strides
from probgen.compile.places import Place, whole
from probgen.compile.schedule import Group, schedule
from probgen.compile.steps import Inner, Steps

__all__ = ["Body", "Kept", "recur"]

_ON_STACK = 64  # elements; larger values of one step have a place in the loop's buffer


@dataclass
class Kept:
    """What a node of the body leaves behind.

    `before` are the values of earlier steps that the first steps read, the latest first.
    `first` is where the value of step 0 lies in the loop's buffer, which moves on by `step`
    elements; it is None when nobody reads it there.
    """

    slot: int
    before: list[View] = field(default_factory=list)
    in_variables: bool = False
    first: int | None = None
    step: int = 0


@dataclass
class Body:
    """`count` steps of `groups`; `stored` are the nodes that need memory."""

    count: int
    kept: dict[Node, Kept] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    stored: set[Node] = field(default_factory=set)

    @property
    def stored_in_order(self) -> list[Node]:
        """The same, in the order in which they are computed."""
        return [node for node in self.kept if node in self.stored]


def recur(steps: Steps, slots: Sequence[int]) -> None:
    """Compute `slots` step by step, in one loop."""
    _Recurrence(steps, slots).build()


class _Recurrence:
    def __init__(self, steps: Steps, slots: Sequence[int]) -> None:
        self.steps = steps
        self.places = steps.places
        self.slots = sorted(slots)
        self.inside = set(slots)
        self.size = 0
        self.kept = {slot: self._keep(slot) for slot in self.slots}
        self.clones: dict[int, Node] = {}

    def build(self) -> None:
        body = Body(self.steps.count)
        outside = {
            (slot, position): self._outside(slot, position)
            for slot in self.slots
            for position, operand in enumerate(self.steps.operands[slot])
            if not self._inner(operand)
        }
        before = [view for kept in self.kept.values() for view in kept.before]
        views = [*outside.values(), *before]
        self.loop = self.places.fresh("loop", (self.size,), DOUBLE, views, (body,))
        for slot in self.slots:
            self.clones[slot] = self._clone(slot, outside)
        body.kept = {self.clones[slot]: kept for slot, kept in self.kept.items()}
        plan = schedule([whole(node) for node, kept in body.kept.items() if _is_read(kept)])
        body.groups, body.stored = plan.groups, plan.stored
        for slot in self.slots:
            if self.kept[slot].step:
                self._publish(slot)

    def _inner(self, operand: Inner | None) -> bool:
        return operand is not None and operand.slot in self.inside

    def _keep(self, slot: int) -> Kept:
        node, lag = self.steps.body[slot], self.steps.lags(slot, self.inside)
        before = [self.places.resolve(whole(self.steps.node(slot, -n))) for n in range(1, lag + 1)]
        scalar = node.size == 1 and (node.fusible or node.kind == "reduce")
        kept = Kept(slot, before, in_variables=scalar)
        if self.steps.read_by_others(slot, self.inside) or (before and not scalar):
            if node.dtype != DOUBLE and not scalar:
                raise Irregular
            ahead = 0 if scalar else lag * node.size
            kept.first, kept.step = self.size + ahead, node.size
            self.size += ahead + self.steps.count * node.size
        elif not scalar and node.size > _ON_STACK:
            kept.first = self.size
            self.size += node.size
        return kept

    def _outside(self, slot: int, position: int) -> View:
        """What a slot reads from elsewhere, over all steps."""
        node = self.steps.body[slot]
        if node.kind == "gather" and position == 0:
            return self.steps.affine_family(slot, position)
        view = self.steps.family(slot, position)
        packed = (*contiguous_strides(view.shape[1:]),)
        if node.kind in _ANYWHERE or view.strides[1:] == packed:
            return view
        return self.places.graph.contiguous(view)

    def _clone(self, slot: int, outside: dict[tuple[int, int], View]) -> Node:
        node = self.steps.body[slot]
        views = []
        for position, (operand, view) in enumerate(
            zip(self.steps.operands[slot], node.views, strict=True)
        ):
            if operand is None or operand.slot not in self.inside:
                views.append(self._moving(outside[slot, position]))
            elif operand.lag:
                views.append(self._earlier(operand, view))
            else:
                clone = self.clones[operand.slot]
                views.append(View(clone, view.shape, view.strides, view.offset))
        attributes = node.attributes
        if node.kind == "gather" and not self._inner(self.steps.operands[slot][0]):
            attributes = (self.places.index_strides(node),)
        return self.places.fresh(node.kind, node.shape, node.dtype, views, attributes)

    def _moving(self, view: View) -> View:
        if view.literal is not None:
            return view.restride(view.shape[1:], view.strides[1:])
        attributes = (view.node, view.offset, view.strides[0])
        node = self.places.fresh("moving", view.shape[1:], view.dtype, (), attributes)
        return View(node, view.shape[1:], view.strides[1:])

    def _earlier(self, operand: Inner, view: View) -> View:
        """What a slot of this loop computed some steps ago."""
        node, kept = self.steps.body[operand.slot], self.kept[operand.slot]
        if kept.in_variables:
            attributes: tuple = (operand.slot, operand.lag)
            source = self.places.fresh("carried", node.shape, node.dtype, (), attributes)
        else:
            place = (kept.first or 0) - operand.lag * node.size
            attributes = (self.loop, place, node.size)
            source = self.places.fresh("moving", node.shape, node.dtype, (), attributes)
        return View(source, view.shape, view.strides, view.offset)

    def _publish(self, slot: int) -> None:
        """Let others find the values of a slot."""
        node, kept = self.steps.body[slot], self.kept[slot]
        place = Place(self.loop, 1, kept.first or 0)
        if node.dtype != DOUBLE:
            template = "int({0})" if node.dtype == INT else "({0}!=0)"
            values = View(self.loop, (self.steps.count,), (1,), place.shift)
            place = Place(self.places.graph.pointwise(template, (values,), node.dtype).node)
        self.steps.put(slot, place, node.size)


_ANYWHERE = ("pointwise", "gather", "reduce", "scatter", "scan", "assemble")


def _is_read(kept: Kept) -> bool:
    return bool(kept.before) or kept.step > 0
