"""Large matrices read once: row sums, what follows from them, and column sums in one pass.

The gradient of a regression on data X takes X b, a function of it row by row, and its product
with X from the left. Where X fills the caches, reading it is all the time that this takes, so
the three loops run over one block of rows after another, while the block is near at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from probgen.compile.data import LARGE
from probgen.compile.ir import Node
from probgen.compile.loops import LoopNest
from probgen.compile.schedule import Group
from probgen.compile.text import loop

if TYPE_CHECKING:
    from probgen.compile.emit import _Function

__all__ = ["Stream", "StreamNest", "join_streams"]

_BLOCK = 1 << 15  # elements of a block: a quarter megabyte
_WIDEST = 1 << 12  # columns whose sums are kept beside
_COLUMNS = 64  # sums in registers
_ROWS = 4


@dataclass
class Stream(Group):
    """Row sums, loops over the rows, and column sums, to be run block by block."""

    stages: tuple[Group, ...] = ()


def join_streams(groups: list[Group], stored: set[Node]) -> list[Group]:
    """The same groups, of which threes may have become the stages of one."""
    for first, rows in enumerate(groups):
        if not _sums_along(rows, 1, stored):
            continue
        for last in range(first + 2, len(groups)):
            columns = groups[last]
            if columns.domain == rows.domain and _sums_along(columns, 0, stored):
                joined = _joined(groups, first, last)
                if joined is not None:
                    return join_streams(joined, stored)
    return groups


def _joined(groups: list[Group], first: int, last: int) -> list[Group] | None:
    rows, columns = groups[first], groups[last]
    assert rows.domain is not None
    between = groups[first + 1 : last]
    middle = next((g for g in between if g.domain == rows.domain[:1] and _plain(g)), None)
    if middle is None:
        return None
    made = {*rows.nodes, *middle.nodes}
    before: list[Group] = []
    after: list[Group] = []
    for group in between:
        if group is middle:
            continue
        depends = _reads([group]) & made
        (after if depends else before).append(group)
        made |= set(group.nodes) if depends else set()
    late = {node for group in after for node in group.nodes}
    if _reads([middle, columns]) & late:
        return None
    nodes = [*rows.nodes, *middle.nodes, *columns.nodes]
    stream = Stream(rows.domain, nodes, stages=(rows, middle, columns))
    return [*groups[:first], *before, stream, *after, *groups[last + 1 :]]


def _sums_along(group: Group, axis: int, stored: set[Node]) -> bool:
    """Whether a group only sums a large matrix along one axis."""
    if group.domain is None or len(group.domain) != 2 or group.packing is not None:
        return False
    rows, columns = group.domain
    if rows * columns < LARGE or not _ROWS <= columns <= min(_WIDEST, rows):
        return False
    reduces = [node for node in group.nodes if node.kind == "reduce"]
    others = [node for node in group.nodes if node.kind != "reduce"]
    return all(node.attributes == ("sum", (axis,)) for node in reduces) and all(
        node.fusible and node not in stored for node in others
    )


def _plain(group: Group) -> bool:
    kinds = {node.kind for node in group.nodes}
    return group.packing is None and kinds <= {"pointwise", "gather", "reduce"}


def _reads(groups: Iterable[Group]) -> set[Node]:
    return {view.node for group in groups for node in group.nodes for view in node.views}


class StreamNest:
    """Writes the C++ text of a group with stages."""

    def __init__(self, function: _Function, stream: Stream) -> None:
        self.rows, self.middle, self.columns = (LoopNest(function, s) for s in stream.stages)
        self.count, self.width = self.rows.domain

    def text(self) -> str:
        """The whole nest."""
        size = max(_BLOCK // self.width // _ROWS, 4) * _ROWS
        opened = "".join(self.middle._open(node) for node in self.middle.reduces)
        closed = ""
        for node in self.columns.reduces:
            opened += f"double w{node.serial}[{self.width}]={{}};"
            store = f"b{node.serial}[j]=w{node.serial}[j];"
            closed += f"{loop('j', self.width)}{store}"
        block = self._row_sums() + self._middle() + self._column_sums()
        return (
            f"{opened}for(long low=0;low<{self.count};low+={size}){{"
            f"const long high=low+{size}<{self.count}?low+{size}:{self.count};{block}}}{closed}"
        )

    def _row_sums(self) -> str:
        together = self.rows._rows(range(_ROWS), self.width, "r")
        single = self.rows._rows(range(1), self.width, "r")
        return (
            f"{{long r=low;for(;r+{_ROWS - 1}<high;r+={_ROWS}){{{together}}}"
            f"for(;r<high;++r){{{single}}}}}"
        )

    def _middle(self) -> str:
        body = self.middle._body(["i0"])
        return f"\n#pragma GCC ivdep\nfor(long i0=low;i0<high;++i0){{{body}}}"

    def _column_sums(self) -> str:
        whole = self.width // _COLUMNS * _COLUMNS
        text = ""
        if whole:
            text += f"for(long c=0;c<{whole};c+={_COLUMNS}){{{self._columns(_COLUMNS)}}}"
        if self.width > whole:
            text += f"{{const long c={whole};{self._columns(self.width - whole)}}}"
        return text

    def _columns(self, width: int) -> str:
        nest, opened, sums, closed = self.columns, "", "", ""
        for node in nest.reduces:
            opened += f"double a{node.serial}[{width}]={{}};"
            sums += f"a{node.serial}[j]+={nest._operand(node, 0, ['i0', 'i1'])};"
            closed += f"w{node.serial}[c+j]+=a{node.serial}[j];"
        body = nest._body(["i0", "i1"], stores=False)
        inner = f"{loop('j', width)}{{const long i1=c+j;{body}{sums}}}"
        return f"{opened}for(long i0=low;i0<high;++i0){inner}{loop('j', width)}{{{closed}}}"
