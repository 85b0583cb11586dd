"""The C++ text of a loop that carries values from step to step (`recurrence`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probgen.compile.ir import Node, contiguous_strides
from probgen.compile.recurrence import Body, Kept
from probgen.compile.text import address

if TYPE_CHECKING:
    from probgen.compile.emit import _Function

__all__ = ["SerialLoop", "earlier", "moved"]


def moved(offset: int, step: int) -> str:
    """Where memory that moves on with the step is now."""
    return address(offset, [step], ["t"])


def earlier(slot: int, lag: int) -> str:
    """The variable that holds what a slot was `lag` steps ago."""
    return f"c{slot}_{lag}"


class SerialLoop:
    """Writes the steps of one node of kind "loop", one after the other."""

    def __init__(self, function: _Function, node: Node) -> None:
        self.function = function
        self.node = node
        self.name = f"b{node.serial}"
        self.body: Body = node.attributes[0]

    def text(self) -> str:
        """The whole loop."""
        body = self.body
        opened = "".join(self._before(node, kept) for node, kept in body.kept.items())
        memory = "".join(self._memory(node) for node in body.stored_in_order)
        steps = self.function.inside(body)
        closed = "".join(self._keep(node, kept) for node, kept in body.kept.items())
        return f"{{{opened}for(long t=0;t<{body.count};++t){{{memory}{steps}{closed}}}}}"

    def _before(self, node: Node, kept: Kept) -> str:
        """The values of earlier steps, where the first steps look for them."""
        text = ""
        for lag, view in enumerate(kept.before, 1):
            if kept.in_variables:
                value = self.function.load(view, ["0"] * len(view.shape))
                text += f"{node.dtype} {earlier(kept.slot, lag)}={value};"
            else:
                place = (kept.first or 0) - lag * node.size
                text += self.function.copy(view, self.name, place, contiguous_strides(node.shape))
        return text

    def _memory(self, node: Node) -> str:
        """The memory of a node of the body in one step."""
        if self.function.in_register(node):
            return ""
        kept = self.body.kept[node]
        if kept.first is None:
            return f"{node.dtype} b{node.serial}[{node.size}];"
        place = f"{self.name}+{moved(kept.first, kept.step)}"
        return f"{node.dtype}* const b{node.serial}=({node.dtype}*)({place});"

    def _keep(self, node: Node, kept: Kept) -> str:
        """What is left for others, and for the steps to come."""
        if not self.function.in_register(node):
            return ""
        value = f"v{node.serial}"
        text = f"{self.name}[{moved(kept.first or 0, 1)}]={value};" if kept.step else ""
        for lag in range(len(kept.before), 1, -1):
            text += f"{earlier(kept.slot, lag)}={earlier(kept.slot, lag - 1)};"
        return text + (f"{earlier(kept.slot, 1)}={value};" if kept.before else "")
