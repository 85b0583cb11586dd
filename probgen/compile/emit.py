"""Scheduled loops to the text of one C++ function.

    void NAME(const double* q, double* const* out, const void* const* k)

`q` is the flat input, `out[j]` the j-th output buffer, `k` the table of constants (data are
not in the text, so a compiled density serves every data set of the same shape).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from probgen.compile.ir import DOUBLE, Node, View, contiguous_strides
from probgen.compile.loops import LoopNest, SegmentNest
from probgen.compile.recurrence import Body
from probgen.compile.roll import roll
from probgen.compile.schedule import Group, Schedule, schedule
from probgen.compile.serial import SerialLoop, earlier, moved
from probgen.compile.streams import Stream, StreamNest, join_streams
from probgen.compile.text import address, literal, loops, single_precision

__all__ = ["Emitted", "Output", "emit"]

# Buffers that stay double beside single-precision loops: sums, and what functions are handed.
_CALLS = ("call",)
_EXACT = ("input", "loop", "reduce", "scatter", "scan", "carried", *_CALLS)
# Larger workspaces live on the heap, one per thread.
_STACK_BYTES = 1 << 18
_INTERLEAVED_SCAN = 64  # shortest running sum that is worth splitting


@dataclass(frozen=True)
class Output:
    """Where a view goes: `out[slot] + offset`, row-major; or the function's return value."""

    view: View
    slot: int
    offset: int = 0


@dataclass
class Emitted:
    """The text of a function and the arrays that its constant table must hold, in order."""

    text: str
    constants: list[np.ndarray]


@dataclass
class _Function:
    plan: Schedule
    constants: dict[Any, str] = field(default_factory=dict)
    arrays: list[np.ndarray] = field(default_factory=list)
    placed: dict[Node, Output] = field(default_factory=dict)
    inner: set[Node] = field(default_factory=set)
    single: bool = False
    exact: set[Node] = field(default_factory=set)

    # --- names -------------------------------------------------------------------------------

    def in_register(self, node: Node) -> bool:
        """Scalars live in variables of the function, never in buffers."""
        return node.size == 1 and (node.fusible or node.kind == "reduce")

    def pointer(self, node: Node) -> str:
        """A C++ expression for the address of a node's buffer."""
        if node.kind == "input":
            return f"(q+{node.attributes[0]})"
        if node.kind == "constant":
            if node not in self.constants:
                array = node.attributes[0]
                self.constants[node] = self.table(
                    array if node in self.exact else self.stored_as(array)
                )
            return self.constants[node]
        if node.kind == "moving":
            source, offset, step = node.attributes
            return f"({self.pointer(source)}+{moved(offset, step)})"
        if node.kind == "carried":
            return f"(&{earlier(*node.attributes)})"
        return f"(&v{node.serial})" if self.in_register(node) else f"b{node.serial}"

    def table(self, array: np.ndarray) -> str:
        """The name of one more array in the constant table."""
        self.arrays.append(array)
        return f"k{len(self.arrays) - 1}"

    def real(self, node: Node) -> str:
        """The type of the elements of a buffer: single precision within loops, if at all."""
        if not self.single or node.dtype != DOUBLE:
            return node.dtype
        if node.kind == "moving":
            return self.real(node.attributes[0])
        exact = node in self.exact or node in self.placed or self.in_register(node)
        return "double" if exact or node.kind in _EXACT else "float"

    def stored_as(self, array: np.ndarray) -> np.ndarray:
        """Data in the precision in which loops read them."""
        return array.astype(np.float32) if self.single and array.dtype == np.float64 else array

    def load(self, view: View, index: Sequence[str], single: bool = False) -> str:
        """A C++ expression for one element of a view, in single precision on wish."""
        if not single or view.dtype != DOUBLE:
            return self._load(view, index)
        if view.literal is not None:
            return single_precision(self._load(view, index))
        value = self._load(view, index)
        return value if self.real(view.node) == "float" else f"float({value})"

    def _load(self, view: View, index: Sequence[str]) -> str:
        number = view.literal
        if number is not None:
            return literal(number, view.dtype)
        if view.node.kind == "carried":
            return earlier(*view.node.attributes)
        if view.node.kind not in ("input", "constant") and self.in_register(view.node):
            return f"v{view.node.serial}"
        return f"{self.pointer(view.node)}[{address(view.offset, view.strides, index)}]"

    # --- groups ------------------------------------------------------------------------------

    def group(self, group: Group) -> str:
        if group.packing is not None:
            return SegmentNest(self, group, group.packing).text()
        if isinstance(group, Stream):
            return StreamNest(self, group).text()
        if group.domain is not None:
            return LoopNest(self, group).text()
        node = group.nodes[0]
        write = {
            "scan": self._scan,
            "assemble": self._assemble,
            "call": self._call,
            "loop": lambda node: SerialLoop(self, node).text(),
        }
        return write[node.kind](node)

    def _scan(self, node: Node) -> str:
        view, operation = node.views[0], node.attributes[0]
        index = [f"i{d}" for d in range(len(node.shape))]
        sign, start = ("+=", "0.0") if operation == "sum" else ("*=", "1.0")
        place = address(0, contiguous_strides(node.shape), index)
        last = len(node.shape) - 1
        if operation == "sum" and node.shape[-1] >= _INTERLEAVED_SCAN:
            return loops(node.shape[:-1], f"{{{self._interleaved_sum(node, index)}}}")
        inner = (
            f"double sum={start}; for(long i{last}=0;i{last}<{node.shape[-1]};++i{last})"
            f"{{sum{sign}{self.load(view, index)}; b{node.serial}[{place}]=sum;}}"
        )
        return loops(node.shape[:-1], f"{{{inner}}}")

    def _interleaved_sum(self, node: Node, index: list[str]) -> str:
        """A running sum as eight at once, each over an eighth, which hides the add's latency."""
        length, parts = node.shape[-1], 8
        step, last = length // parts, index[-1]
        strides = contiguous_strides(node.shape)

        def at(position: str) -> tuple[str, str]:
            where = [*index[:-1], position]
            place = f"b{node.serial}[{address(0, strides, where)}]"
            return place, self.load(node.views[0], where)

        opened, inner, closed = "double sum=0.0;", "", ""
        for part in range(parts):
            target, value = at(f"({part * step}+{last})")
            opened += f"double s{part}=0.0;"
            inner += f"s{part}+={value};{target}=s{part};"
            shift = f"for(long {last}=0;{last}<{step};++{last}){target}+=sum;" if part else ""
            closed += f"{shift}sum+=s{part};"
        target, value = at(last)
        head = f"for(long {last}=0;{last}<{step};++{last})"
        tail = f"for(long {last}={parts * step};{last}<{length};++{last})"
        return f"{opened}{head}{{{inner}}}{closed}{tail}{{sum+={value};{target}=sum;}}"

    def _assemble(self, node: Node) -> str:
        places, base = node.attributes
        name, text = f"b{node.serial}", ""
        covered = sum(math.prod(view.shape) for view in node.views[: len(places)])
        if base is None:
            text = self.copy(node.views[-1], name, 0, contiguous_strides(node.shape))
        elif covered < node.size:
            fill = literal(base, node.dtype)
            text = f"for(long i=0;i<{node.size};++i){name}[i]={fill};\n"
        for view, (offset, strides) in zip(node.views, places, strict=False):
            text += self.copy(view, name, offset, strides)
        return text

    def copy(self, view: View, target: str, offset: int, strides: Sequence[int]) -> str:
        """A loop that writes a view to target[offset + strides]."""
        index = [f"i{d}" for d in range(len(view.shape))]
        place = address(offset, strides, index)
        return loops(view.shape, f"{target}[{place}]={self.load(view, index)};") + "\n"

    def _call(self, node: Node) -> str:
        name, extra = node.attributes
        operands = [
            self.pointer(view.node) + (f"+{view.offset}" if view.offset else "")
            for view in node.views
        ]
        return f"{name}({', '.join([f'b{node.serial}', *operands, *map(str, extra)])});"

    def inside(self, body: Body) -> str:
        """The loops of one step of a recurrence; they are short, and always double."""
        self.plan.stored |= body.stored
        self.inner |= body.stored
        single, self.single = self.single, False
        text = "\n".join(self.group(group) for group in body.groups)
        self.single = single
        return text

    # --- the whole function ------------------------------------------------------------------

    def buffers(self) -> str:
        """Declarations of the buffers that are no output."""
        local, text = [], ""
        for node in sorted(self.plan.stored - self.inner, key=lambda n: n.serial):
            if self.in_register(node):
                continue
            if node in self.placed:
                output = self.placed[node]
                text += f"double* __restrict b{node.serial}=out[{output.slot}]+{output.offset};\n"
            else:
                local.append(node)
        if sum(node.size for node in local) * 8 <= _STACK_BYTES:
            return text + "".join(
                f"alignas(64) {self.real(node)} b{node.serial}[{node.size}];\n" for node in local
            )
        offset = 0
        pieces = ""
        for node in local:
            kind = self.real(node)
            pieces += f"{kind}* __restrict b{node.serial}=({kind}*)(space+{offset});\n"
            offset += (node.size + 7) // 8 * 8
        return text + f"double* const space=probgen::workspace({offset});\n" + pieces


def emit(
    name: str, outputs: Sequence[Output], returned: View | None = None, single: bool = False
) -> Emitted:
    """The text of a static inline function computing `outputs` (and returning a scalar).

    With `single`, loops compute in single precision; sums, scalars and outputs stay double.
    """
    views = roll([output.view for output in outputs] + ([returned] if returned else []))
    returned = views[-1] if returned else None
    outputs = [replace(output, view=view) for output, view in zip(outputs, views, strict=False)]
    plan = schedule(views)
    plan.groups = join_streams(plan.groups, plan.stored)
    function = _Function(plan, single=single, exact=_read_by_calls(plan))
    rest = []
    for output in outputs:
        node = output.view.node
        direct = (
            node in plan.stored
            and node not in function.placed
            and node.dtype == "double"
            and not function.in_register(node)
            and _row_major(output.view)
        )
        if direct:
            function.placed[node] = output
        else:
            rest.append(output)
    body = [function.group(group) for group in plan.groups]
    for output in rest:
        strides = contiguous_strides(output.view.shape)
        body.append(function.copy(output.view, f"out[{output.slot}]", output.offset, strides))
    if returned is not None:
        body.append(f"return {function.load(returned, [])};")
    tables = "".join(
        f"const {_constant_type(array)}* __restrict const k{i}="
        f"(const {_constant_type(array)}*)k[{i}];\n"
        for i, array in enumerate(function.arrays)
    )
    kind = "double" if returned is not None else "void"
    text = (
        f"static inline {kind} {name}(const double* __restrict const q, "
        f"double* const* const out, const void* const* const k){{\n"
        f"(void)q;(void)out;(void)k;\n{tables}{function.buffers()}" + "\n".join(body) + "\n}\n"
    )
    return Emitted(text, function.arrays)


def _read_by_calls(plan: Schedule) -> set[Node]:
    """Nodes whose buffers are handed to functions of the run-time header."""
    calls = [node for group in plan.groups for node in group.nodes if node.kind in _CALLS]
    return {view.node for node in calls for view in node.views}


def _row_major(view: View) -> bool:
    kept = [(n, s) for n, s in zip(view.shape, view.strides, strict=True) if n > 1]
    strides = contiguous_strides([n for n, _ in kept])
    return (
        view.offset == 0
        and [s for _, s in kept] == list(strides)
        and math.prod(view.shape) == view.node.size
    )


def _constant_type(array: np.ndarray) -> str:
    if array.dtype == np.float32:
        return "float"
    return {"f": "double", "i": "int", "u": "unsigned char"}[array.dtype.kind]
