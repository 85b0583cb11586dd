"""The loop nest of one group: element-wise values in registers, reductions beside them.

A reduction over the innermost dimensions sums in a register; over outer ones, in its buffer.
Nests that only reduce (matrix-vector products) are blocked, so that several sums run at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probgen.compile.ir import DOUBLE, Node, contiguous_strides
from probgen.compile.schedule import Group
from probgen.compile.segments import LANES, Packing
from probgen.compile.text import address, loop, single_precision

if TYPE_CHECKING:
    from probgen.compile.emit import _Function
    from probgen.compile.ir import View

__all__ = ["LoopNest", "SegmentNest"]

_START = {"sum": "0.0", "prod": "1.0", "max": "double(-INFINITY)", "min": "double(INFINITY)"}
_UPDATE = {
    "sum": "{0}+={1};",
    "prod": "{0}*={1};",
    "max": "{0}=probgen::maximum({0},{1});",
    "min": "{0}=probgen::minimum({0},{1});",
}
_COLUMNS = 64  # accumulators of a blocked column sum: eight vector registers
_ADDS_UP = 1000  # terms: the rounding errors of single-precision sums that long matter
_ROWS = 4  # rows summed at once in a blocked row sum


class LoopNest:
    """Writes the C++ text of one group."""

    def __init__(self, function: _Function, group: Group) -> None:
        self.function = function
        self.domain = group.domain or ()
        self.nodes = group.nodes
        self.reduces = [node for node in group.nodes if node.kind == "reduce"]
        self.local = {node for node in group.nodes if node.fusible}
        self.single = function.single and bool(self.domain)

    def text(self) -> str:
        """The whole nest."""
        if len(self.domain) == 2 and self._only_reduces():
            axes = {node.attributes[1] for node in self.reduces}
            if axes == {(0,)}:
                return self._column_sums()
            if axes == {(1,)} and self.domain[0] >= _ROWS:
                return self._row_sums()
        return self._prepare() + self._nest(0)

    # --- the general nest --------------------------------------------------------------------

    def _nest(self, depth: int) -> str:
        if depth == len(self.domain):
            return self._body([f"i{d}" for d in range(depth)])
        here = [node for node in self.reduces if self._level(node) == depth]
        before = "".join(self._open(node) for node in here)
        after = "".join(self._close(node, depth) for node in here)
        inner = self._nest(depth + 1)
        vectorise = depth == len(self.domain) - 1 and not any(
            node.kind == "scatter" for node in self.nodes
        )
        head = loop(f"i{depth}", self.domain[depth], depth > 0, vectorise)
        return f"{before}{head}{{{inner}}}{after}"

    def _level(self, node: Node) -> int:
        """The depth from which on every loop is summed over."""
        level, reduced = len(self.domain), node.attributes[1]
        while level > 0 and level - 1 in reduced:
            level -= 1
        return level

    def _open(self, node: Node) -> str:
        name = self._accumulator(node)
        return f"{self._total(node)} {name}={_START[node.attributes[0]]};"

    def _total(self, node: Node) -> str:
        """The type of a reduction's accumulator: double where rounding would add up."""
        terms = math.prod(self.domain[d] for d in node.attributes[1])
        return "float" if self.single and terms < _ADDS_UP else "double"

    def _accumulator(self, node: Node) -> str:
        return f"v{node.serial}" if node.size == 1 else f"a{node.serial}"

    def _close(self, node: Node, depth: int) -> str:
        if node.size == 1:
            return ""
        place = self._kept_place(node, [f"i{d}" for d in range(depth)])
        return self._store(node, place, f"a{node.serial}", whole=self._pure(node))

    def _pure(self, node: Node) -> bool:
        """Whether the reduced dimensions are exactly the innermost ones."""
        level = self._level(node)
        return node.attributes[1] == tuple(range(level, len(self.domain)))

    def _store(self, node: Node, place: str, value: str, whole: bool) -> str:
        target = f"b{node.serial}[{place}]"
        return f"{target}={value};" if whole else _UPDATE[node.attributes[0]].format(target, value)

    def _kept_place(self, node: Node, index: list[str]) -> str:
        kept = [d for d in range(len(self.domain)) if d not in node.attributes[1]]
        return address(0, contiguous_strides(node.shape), [index[d] for d in kept])

    def _prepare(self) -> str:
        """Fill the buffers that sums are added to."""
        text = ""
        for node in self.nodes:
            if node.kind == "scatter":
                text += f"for(long i=0;i<{node.size};++i)b{node.serial}[i]=0.0;"
            elif node.kind == "reduce" and node.size > 1 and not self._pure(node):
                start = _START[node.attributes[0]]
                text += f"for(long i=0;i<{node.size};++i)b{node.serial}[i]={start};"
        return text

    # --- one element of the nest -------------------------------------------------------------

    def _body(self, index: list[str], suffix: str = "", stores: bool = True) -> str:
        text = ""
        for node in self.nodes:
            if node.fusible:
                value = self._value(node, index, suffix)
                text += f"const {self._type(node)} v{node.serial}{suffix}={value};"
                if stores and node in self.function.plan.stored and node.size > 1:
                    place = self._place(node, index)
                    text += f"b{node.serial}[{place}]=v{node.serial}{suffix};"
            elif node.kind == "scatter":
                text += self._scatter(node, index)
            elif stores:
                text += self._reduce(node, index)
        return text

    def _place(self, node: Node, index: list[str]) -> str:
        return address(0, contiguous_strides(node.shape), index)

    def _operand(self, node: Node, position: int, index: list[str], suffix: str = "") -> str:
        view = node.views[position]
        if view.node in self.local and view.whole:
            return f"v{view.node.serial}{suffix}"
        return self.function.load(view, index, self.single)

    def _type(self, node: Node) -> str:
        return "float" if self.single and node.dtype == DOUBLE else node.dtype

    def _value(self, node: Node, index: list[str], suffix: str) -> str:
        if node.kind == "pointwise":
            operands = [self._operand(node, i, index, suffix) for i in range(len(node.views))]
            template = node.attributes[0]
            return (single_precision(template) if self.single else template).format(*operands)
        base = node.views[0]
        place = address(base.offset, base.strides, index)
        for i, stride in enumerate(node.attributes[0]):
            place += f"+{stride}*{self._operand(node, i + 1, index, suffix)}"
        return f"{self.function.pointer(base.node)}[{place}]"

    def _scatter(self, node: Node, index: list[str]) -> str:
        loop_strides, index_strides = node.attributes
        place = address(0, loop_strides, index)
        for i, stride in enumerate(index_strides):
            place += f"+{stride}*{self._operand(node, i + 1, index)}"
        return f"b{node.serial}[{place}]+={self._operand(node, 0, index)};"

    def _reduce(self, node: Node, index: list[str]) -> str:
        value = self._operand(node, 0, index)
        level = self._level(node)
        if level < len(self.domain):
            return _UPDATE[node.attributes[0]].format(self._accumulator(node), value)
        return self._store(node, self._kept_place(node, index), value, whole=False)

    # --- blocked nests -----------------------------------------------------------------------

    def _only_reduces(self) -> bool:
        return (
            all(node.fusible or node.kind == "reduce" for node in self.nodes)
            and not any(node in self.function.plan.stored for node in self.local)
            and all(node.attributes[0] == "sum" for node in self.reduces)
        )

    def _column_sums(self) -> str:
        """Sums over the outer dimension: a block of columns at a time, in registers."""
        rows, columns = self.domain
        whole = columns // _COLUMNS * _COLUMNS
        text = ""
        if whole:
            block = self._columns(rows, _COLUMNS, "c")
            text += f"for(long c=0;c<{whole};c+={_COLUMNS}){{{block}}}"
        if columns > whole:
            text += f"{{const long c={whole};{self._columns(rows, columns - whole, 'c')}}}"
        return text

    def _columns(self, rows: int, width: int, start: str) -> str:
        body = self._body(["i0", "i1"], stores=False)
        sums, opened, closed = "", "", ""
        for node in self.reduces:
            opened += f"{self._total(node)} a{node.serial}[{width}]={{}};"
            sums += f"a{node.serial}[j]+={self._operand(node, 0, ['i0', 'i1'])};"
            closed += f"b{node.serial}[{start}+j]=a{node.serial}[j];"
        inner = f"{loop('j', width)}{{const long i1={start}+j;{body}{sums}}}"
        outer = loop("i0", rows)
        return f"{opened}{outer}{inner}{loop('j', width)}{{{closed}}}"

    def _row_sums(self) -> str:
        """Sums over the inner dimension: several rows at a time, sharing what they read."""
        rows, columns = self.domain
        whole = rows // _ROWS * _ROWS
        text = f"for(long r=0;r<{whole};r+={_ROWS}){{{self._rows(range(_ROWS), columns, 'r')}}}"
        if rows > whole:
            text += f"{{const long r={whole};{self._rows(range(rows - whole), columns, 'r')}}}"
        return text

    def _rows(self, block: range, columns: int, start: str) -> str:
        opened, inner, closed = "", "", ""
        for row in block:
            index, suffix = [f"({start}+{row})", "i1"], f"_{row}"
            inner += self._body(index, suffix, stores=False)
            for node in self.reduces:
                name = f"a{node.serial}_{row}"
                opened += f"{self._total(node)} {name}=0.0;"
                inner += f"{name}+={self._operand(node, 0, index, suffix)};"
                closed += f"b{node.serial}[{start}+{row}]={name};"
        return f"{opened}{loop('i1', columns, vectorise=True)}{{{inner}}}{closed}"


class SegmentNest(LoopNest):
    """A loop whose rows are sorted into segments, `LANES` of which are summed side by side.

    What a grouped likelihood needs (y[n] given a[group[n]]) becomes plain vector code: values
    of a group are read once per segment, sums stay in registers, nothing is scattered.
    """

    def __init__(self, function: _Function, group: Group, packing: Packing) -> None:
        super().__init__(function, group)
        self.packing = packing
        self.single = False  # sums in double, whose lanes single precision would not fill
        self.scatters = [node for node in group.nodes if node.kind == "scatter"]
        self.hoisted = [node for node in group.nodes if packing.hoists(node)]
        self.local = {node for node in group.nodes if node.fusible}

    def text(self) -> str:
        """The whole nest."""
        table, pack = self.function.table, self.packing
        names = [table(a) for a in (pack.starts, pack.rows, pack.lengths, pack.groups)]
        starts, rows, lengths, groups = names
        head = "".join(
            f"for(long i=0;i<{node.size};++i)b{node.serial}[i]=0.0;" for node in self.scatters
        )
        totals = "".join(f"double t{node.serial}[{LANES}]={{}};" for node in self.reduces)
        sums = "".join(f"double s{node.serial}[{LANES}]={{}};" for node in self.scatters)
        reads = "".join(self._read_once(node) for node in self.hoisted)
        inner = "".join(self._statement(node) for node in self.nodes)
        inner += "".join(
            f"t{node.serial}[j]+=live*{self._operand(node, 0, ['i0'])};" for node in self.reduces
        )
        inner += "".join(
            f"s{node.serial}[j]+=live*{self._operand(node, 0, ['i0'])};" for node in self.scatters
        )
        lane = loop("j", LANES)
        write = "".join(f"b{node.serial}[g[j]]=s{node.serial}[j];" for node in self.scatters)
        finish = "".join(
            f"double v{node.serial}=0.0;for(long j=0;j<{LANES};++j)"
            f"v{node.serial}+=t{node.serial}[j];"
            for node in self.reduces
        )
        return (
            f"{head}{totals}for(long p=0;p<{len(pack.starts)};++p){{"
            f"const int* const g={groups}+p*{LANES};const double* const m={lengths}+p*{LANES};"
            f"{reads}{sums}"
            f"for(long r=0;r<{rows}[p];++r){{const long first={starts}[p]+r*{LANES};"
            f"{lane}{{const long i0=first+j;const double live=double(r)<m[j]?1.0:0.0;{inner}}}}}"
            f"for(long j=0;j<{LANES};++j)if(m[j]>0){{{write}}}}}{finish}"
        )

    def _read_once(self, node: Node) -> str:
        """A value of the group, for all lanes, before the rows of the segment."""
        base = node.views[0]
        place = f"{base.offset}+{node.attributes[0][0]}*g[j]"
        return (
            f"double h{node.serial}[{LANES}];for(long j=0;j<{LANES};++j)"
            f"h{node.serial}[j]={self.function.pointer(base.node)}[{place}];"
        )

    def _statement(self, node: Node) -> str:
        if not node.fusible:
            return ""
        if node in self.hoisted:
            return f"const {self._type(node)} v{node.serial}=h{node.serial}[j];"
        return f"const {self._type(node)} v{node.serial}={self._value(node, ['i0'], '')};"

    def _operand(self, node: Node, position: int, index: list[str], suffix: str = "") -> str:
        view = node.views[position]
        if view.node.kind == "constant" and view.literal is None:
            return f"{self._sorted(view)}[i0]"
        return super()._operand(node, position, index, suffix)

    def _sorted(self, view: View) -> str:
        """A constant in the order of the segments."""
        key = ("sorted", view.node, self.packing.key)
        if key not in self.function.constants:
            array = view.node.attributes[0][self.packing.order]
            if array.dtype == np.uint8:
                array = array.astype(np.float64)  # no vector of 8 bytes goes with 8 doubles
            self.function.constants[key] = self.function.table(array)
        return self.function.constants[key]
