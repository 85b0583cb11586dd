"""The steps of a run of nodes: who needs whom, and what comes from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from probgen.compile.families import Irregular, affine, family, window
from probgen.compile.ir import Node, View
from probgen.compile.periods import Run
from probgen.compile.places import Place, Places

__all__ = ["Inner", "Steps", "regular_part"]

_MOST_TRIMMED = 4  # steps at either end


@dataclass(frozen=True)
class Inner:
    """An operand that is computed in the same run: slot `slot`, `lag` steps ago."""

    slot: int
    lag: int


class Steps:
    """A run of nodes seen as `repeats` steps of `period` slots."""

    def __init__(self, places: Places, run: Run) -> None:
        self.places = places
        self.run = run
        self.slots = range(run.period)
        self.body = [self.node(slot, 0) for slot in self.slots]
        self.operands = [self._operands(slot) for slot in self.slots]
        self._stacked: dict[int, View] = {}
        self._check_before()

    @property
    def count(self) -> int:
        """How many steps there are."""
        return self.run.repeats

    def node(self, slot: int, step: int) -> Node:
        """The node of a slot in one step; steps before the first may be asked for."""
        position = self.run.start + step * self.run.period + slot
        if position < 0:
            raise Irregular
        return self.places.nodes[position]

    def slot_at(self, position: int) -> int | None:
        """The slot of a position in the sequence; None outside of the run."""
        if not self.run.start <= position < self.run.stop:
            return None
        return (position - self.run.start) % self.run.period

    def users(self, slot: int, step: int) -> set[int]:
        """The positions of the nodes that read a slot's node of one step."""
        return self.places.users[self.run.start + step * self.run.period + slot]

    def read_by_others(self, slot: int, inside: set[int], last: bool = True) -> bool:
        """Whether anything but the slots `inside` reads a slot; its last step apart on wish."""
        return any(
            self.slot_at(position) not in inside
            for step in range(self.count if last else self.count - 1)
            for position in self.users(slot, step)
        )

    def lags(self, slot: int, inside: set[int]) -> int:
        """How many steps ahead the slots `inside` read a slot."""
        return max(
            (
                operand.lag
                for reader in inside
                for operand in self.operands[reader]
                if operand is not None and operand.slot == slot
            ),
            default=0,
        )

    def _operands(self, slot: int) -> list[Inner | None]:
        last = self.count - 1
        found: list[Inner | None] = []
        for view in self.node(slot, last).views:
            position = self.places.positions.get(view.node, -1) - self.run.start
            if position < 0:
                found.append(None)
            else:
                step, source = divmod(position, self.run.period)
                found.append(Inner(source, last - step))
        return found

    def _check_before(self) -> None:
        """What the first steps read must be like what later steps read."""
        for slot, operands in enumerate(self.operands):
            for position, operand in enumerate(operands):
                for step in range(operand.lag if operand is not None else 0):
                    self._check_operand(slot, position, step)

    def _check_operand(self, slot: int, position: int, step: int) -> None:
        operand = self.operands[slot][position]
        if operand is None:
            return
        view, later = (self.node(slot, n).views[position] for n in (step, self.count - 1))
        source, like = self.node(operand.slot, step - operand.lag), self.body[operand.slot]
        if (
            view.node is not source
            or (source.shape, source.dtype) != (like.shape, like.dtype)
            or (view.strides, view.offset) != (later.strides, later.offset)
        ):
            raise Irregular

    # --- operands over all steps -------------------------------------------------------------

    def put(self, slot: int, first: Place, step: int) -> None:
        """Note that step r of a slot lies at `first`, r * step elements further."""
        for number in range(self.count):
            self.places.put(
                self.node(slot, number), replace(first, shift=first.shift + number * step)
            )
        whole = View(first.node, (self.count,), (step,), first.shift)
        self._stacked[slot] = whole

    def family(self, slot: int, position: int) -> View:
        """An operand with the step as its first dimension."""
        operand = self.operands[slot][position]
        if operand is not None and not operand.lag:
            view = self.body[slot].views[position]
            resolved = self.places.resolve(view)
            (step,) = self._stacked[operand.slot].strides
            return resolved.restride((self.count, *view.shape), (step, *resolved.strides))
        return family(self.places.graph, self.resolved(slot, position))

    def affine_family(self, slot: int, position: int) -> View:
        """The same, where a copy will not do."""
        together = affine(self.resolved(slot, position))
        if together is None:
            raise Irregular
        return together

    def resolved(self, slot: int, position: int) -> list[View]:
        """An operand of every step in the new graph."""
        return [
            self.places.resolve(self.node(slot, step).views[position])
            for step in range(self.count)
        ]


def regular_part(places: Places, run: Run) -> Steps:
    """A run less the first and last steps that would make copies of its operands necessary.

    Raises `Irregular` when nothing worthwhile is left.
    """
    for _ in range(_MOST_TRIMMED):
        try:
            steps = Steps(places, run)
        except Irregular:
            run = Run(run.start + run.period, run.period, run.repeats - 1)
            if not run.worthwhile:
                raise
        else:
            break
    else:
        raise Irregular
    first, stop = 0, run.repeats
    for slot in steps.slots:
        for position, operand in enumerate(steps.operands[slot]):
            if operand is not None:
                continue
            views = steps.resolved(slot, position)
            a, b = window(views)
            if a <= _MOST_TRIMMED and run.repeats - b <= _MOST_TRIMMED:
                first, stop = max(first, a), min(stop, b)
    shorter = Run(run.start + first * run.period, run.period, stop - first)
    return Steps(places, shorter) if shorter != run and shorter.worthwhile else steps
