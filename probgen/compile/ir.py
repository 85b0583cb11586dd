"""The compiler's intermediate form: a few kinds of loops over strided views.

Every value is the row-major buffer of a `Node`; a `View` reads it with an offset and strides
(0 along a broadcast dimension), so that reshapes, slices, transposes, flips and broadcasts cost
nothing. The `Graph` builds nodes and simplifies on the way: equal nodes are one node, and a
pointwise operation runs only over the dimensions along which its operands really vary (a
uniform value expanded to a vector is computed once). Dimensions are sorted by size, the longest
innermost, where the loops are vectorised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgen.compile.data import LARGE, content, in_table_form, strided, varies_along

__all__ = ["DOUBLE", "INT", "LOGICAL", "Graph", "Node", "View", "contiguous_strides"]

DOUBLE, INT, LOGICAL = "double", "int", "unsigned char"


@dataclass(frozen=True, eq=False)
class Node:
    """One computation. `kind` says which loop it is:

    input       a slice of the flat input vector; `attributes` = (offset,)
    constant    data; `attributes` = (numpy array,)
    pointwise   `attributes` = (C++ expression with {0}, {1} ...,)
    gather      reads buffer views[0] at integer views[1:]; `attributes` = (index strides,)
    reduce      `attributes` = (operation, reduced dimensions); `shape` is what is kept
    scatter     adds views[0] into a zeroed buffer at integer views[1:]; `attributes` = (strides
                of the loop's dimensions, index strides)
    scan        running sum or product along the last dimension; `attributes` = (operation,)
    assemble    writes each view at (offset, strides) of a buffer; `attributes` = (places, base)
    call        a function of the run-time header on contiguous buffers; `attributes` = (name,
                extra arguments)
    loop        steps that carry values along (`recurrence`); `attributes` = (body,). In its body
                "moving" stands for memory that moves on with the step, `attributes` = (node,
                offset, step), and "carried" for a scalar of an earlier step
    """

    kind: str
    shape: tuple[int, ...]
    dtype: str
    views: tuple[View, ...]
    attributes: tuple[Any, ...]
    serial: int

    @property
    def size(self) -> int:
        """Number of elements of the buffer."""
        return math.prod(self.shape)

    @property
    def domain(self) -> tuple[int, ...]:
        """The shape that the node's loop runs over."""
        return self.views[0].shape if self.kind in ("reduce", "scatter") else self.shape

    @property
    def fusible(self) -> bool:
        """Whether the node is computed element by element, and can stay in a register."""
        return self.kind in ("pointwise", "gather")


@dataclass(frozen=True)
class View:
    """A strided reading of a node's buffer: element i is buffer[offset + sum(i * strides)]."""

    node: Node
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> str:
        """The C++ type of the elements."""
        return self.node.dtype

    @property
    def whole(self) -> bool:
        """Whether the view is the node's buffer as it is."""
        return (
            self.offset == 0
            and self.shape == self.node.shape
            and self.strides == contiguous_strides(self.shape)
        )

    @property
    def literal(self) -> float | None:
        """The number, when the view is one constant number repeated."""
        if self.node.kind != "constant" or any(
            stride for stride, size in zip(self.strides, self.shape, strict=True) if size > 1
        ):
            return None
        return self.node.attributes[0].reshape(-1)[self.offset].item()

    def restride(
        self, shape: Sequence[int], strides: Sequence[int], offset: int | None = None
    ) -> View:
        """Another view of the same buffer."""
        shift = self.offset if offset is None else offset
        return View(self.node, tuple(shape), tuple(strides), shift)

    def expand(self, shape: Sequence[int]) -> View:
        """Broadcast to `shape` by torch's rules."""
        if self.shape == shape:
            return self
        lead = len(shape) - len(self.shape)
        strides = [0] * lead + [
            0 if old == 1 and new != 1 else stride
            for old, new, stride in zip(self.shape, shape[lead:], self.strides, strict=True)
        ]
        return self.restride(shape, strides)

    def permute(self, order: Sequence[int]) -> View:
        """Reorder the dimensions."""
        return self.restride([self.shape[d] for d in order], [self.strides[d] for d in order])


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides of `shape`."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


@dataclass
class Graph:
    """Builds nodes; every method returns a `View` of what it built."""

    nodes: list[Node] = field(default_factory=list)
    _known: dict[Any, Node] = field(default_factory=dict)
    _large: dict[Any, Node] = field(default_factory=dict)  # large data by their memory
    written: dict[Node, tuple[int, int]] = field(default_factory=dict)  # extents, by assembly

    def _node(
        self,
        kind: str,
        shape: Sequence[int],
        dtype: str,
        views: Iterable[View] = (),
        attributes: tuple[Any, ...] = (),
        key: Any = None,
    ) -> Node:
        views = tuple(views)
        identity = (kind, tuple(shape), dtype, tuple(map(_view_key, views)), key or attributes)
        if identity not in self._known:
            node = Node(kind, tuple(shape), dtype, views, attributes, len(self.nodes))
            self.nodes.append(node)
            self._known[identity] = node
        return self._known[identity]

    def input(self, shape: Sequence[int], offset: int) -> View:
        """A slice of the input vector, row-major in `shape`."""
        return _whole(self._node("input", shape, DOUBLE, attributes=(offset,)))

    def constant(self, array: np.ndarray) -> View:
        """Data. Dimensions along which it does not vary are stored once."""
        shape = array.shape
        if array.size == 0:  # nothing is ever read from it
            array = np.zeros((1,) * array.ndim, dtype=array.dtype)
        varies = [varies_along(array, d) for d in range(array.ndim)]
        core = in_table_form(array[tuple(slice(None) if v else 0 for v in varies)])
        steps = iter(stride // core.itemsize for stride in core.strides)
        node = self._data(core)
        return View(node, shape, tuple(next(steps) if v else 0 for v in varies))

    def data(self, array: np.ndarray) -> View:
        """An array that only functions of the run-time header read, as it is in memory."""
        return _whole(self._data(array))

    def number(self, value: float | int | bool) -> View:
        """A scalar constant."""
        return self.constant(np.asarray(value))

    def pointwise(self, template: str, views: Sequence[View], dtype: str = DOUBLE) -> View:
        """`template` applied element by element to operands of one shape (broadcast before)."""
        shape = views[0].shape
        varying = [d for d in range(len(shape)) if any(v.strides[d] for v in views)]
        varying = [d for d in varying if shape[d] > 1]
        order = _reading_order(views, varying)
        domain = [shape[d] for d in order]
        operands = [self._packed(v.restride(domain, [v.strides[d] for d in order])) for v in views]
        node = self._node("pointwise", domain, dtype, operands, (template,))
        return _spread(node, shape, order)

    def gather(self, base: View, indices: Sequence[View], index_strides: Sequence[int]) -> View:
        """base.buffer[base.offset + loop strides + sum(index * index stride)].

        `base` and `indices` have the shape of the result; `base.strides` hold the strides of
        the dimensions that are not indexed (0 along the indexed ones).
        """
        shape = base.shape
        varying = [
            d
            for d in range(len(shape))
            if shape[d] > 1 and (base.strides[d] or any(i.strides[d] for i in indices))
        ]
        order = sorted(varying, key=lambda d: shape[d])
        domain = [shape[d] for d in order]
        loop = base.restride(domain, [base.strides[d] for d in order])
        reads = [self._packed(i.restride(domain, [i.strides[d] for d in order])) for i in indices]
        node = self._node("gather", domain, base.dtype, (loop, *reads), (tuple(index_strides),))
        return _spread(node, shape, order)

    def reduce(self, operation: str, view: View, dims: Sequence[int]) -> View:
        """Sum, max or min over `dims`, which are dropped from the shape."""
        shape = view.shape
        kept = [d for d in range(len(shape)) if d not in dims]
        idle = [d for d in dims if view.strides[d] == 0 or shape[d] == 1]
        repeats = math.prod(shape[d] for d in idle)
        active = [d for d in dims if d not in idle]
        varying = [d for d in kept if view.strides[d] and shape[d] > 1]
        order = self._loop_order(view, active + varying)
        loop = self._packed(
            view.restride([shape[d] for d in order], [view.strides[d] for d in order])
        )
        if active:
            out = [d for d in order if d in varying]
            reduced = tuple(i for i, d in enumerate(order) if d in active)
            node = self._node(
                "reduce", [shape[d] for d in out], view.dtype, (loop,), (operation, reduced)
            )
            result = _spread(node, shape, out)
        else:
            result = view.restride(shape, view.strides)
        result = result.restride([shape[d] for d in kept], [result.strides[d] for d in kept])
        if operation == "sum" and repeats != 1:
            scale = self.number(float(repeats)).expand(result.shape)
            result = self.pointwise("({0}*{1})", (result, scale))
        if operation == "prod" and repeats != 1:
            result = self.pointwise(f"pow({{0}},{repeats})", (result,))
        return result

    def scatter(
        self,
        value: View,
        indices: Sequence[View],
        shape: Sequence[int],
        loop_strides: Sequence[int],
        index_strides: Sequence[int],
    ) -> View:
        """zeros(shape), then buffer[loop strides + sum(index * index stride)] += value."""
        if 0 in value.shape:
            return self.number(0.0).expand(shape)
        live = [d for d in range(len(value.shape)) if value.shape[d] > 1]
        order = self._loop_order(value, live)
        pick = [value.shape[d] for d in order]
        loops = [v.restride(pick, [v.strides[d] for d in order]) for v in (value, *indices)]
        node = self._node(
            "scatter",
            shape,
            DOUBLE,
            [self._packed(v) for v in loops],
            (tuple(loop_strides[d] for d in order), tuple(index_strides)),
        )
        return _whole(node)

    def scan(self, operation: str, view: View) -> View:
        """Running sum or product along the last dimension."""
        return _whole(self._node("scan", view.shape, view.dtype, (view,), (operation,)))

    def assemble(
        self, shape: Sequence[int], base: View | float, pieces: Sequence[tuple[View, int, tuple]]
    ) -> View:
        """A buffer filled with `base`, then each (view, offset, strides) written into it."""
        views = [view for view, _, _ in pieces]
        places = tuple((offset, tuple(strides)) for _, offset, strides in pieces)
        has_base = isinstance(base, View)
        if isinstance(base, View):
            views = [*views, base]
        node = self._node(
            "assemble", shape, views[0].dtype, views, (places, None if has_base else base)
        )
        return _whole(node)

    def call(
        self, name: str, shape: Sequence[int], views: Sequence[View], extra: tuple[int, ...] = ()
    ) -> View:
        """A function of the run-time header: name(out, inputs..., extra...)."""
        return self.call_at(name, shape, [self.contiguous(view) for view in views], extra)

    def call_at(
        self, name: str, shape: Sequence[int], views: Sequence[View], extra: tuple[int, ...]
    ) -> View:
        """The same for a function that takes its operands where they are, told by `extra` how."""
        return _whole(self._node("call", shape, DOUBLE, views, (name, extra)))

    def contiguous(self, view: View) -> View:
        """The same elements in a row-major buffer of their own, copied only if need be."""
        if view.node.kind == "constant" and view.literal is None and all(view.strides):
            view = self._packed(view)
        whole = view.offset == 0 and view.node.size == math.prod(view.shape)
        if whole and view.strides == contiguous_strides(view.shape):
            return view
        place = (0, contiguous_strides(view.shape))
        return self.assemble(view.shape, 0.0, [(view, *place)])

    def operand(self, view: View, template: str) -> View | None:
        """The operand x, seen like `view`, when `view` reads template(x); None otherwise."""
        node = view.node
        if node.kind != "pointwise" or node.attributes[0] != template or view.offset:
            return None
        inner = node.views[0]
        steps = dict(zip(contiguous_strides(node.shape), node.shape, strict=True))
        strides = []
        for size, stride in zip(view.shape, view.strides, strict=True):
            if stride and steps.get(stride) != size:
                return None
            dims = [d for d, step in enumerate(contiguous_strides(node.shape)) if step == stride]
            strides.append(inner.strides[dims[0]] if stride else 0)
        return inner.restride(view.shape, strides)

    def _loop_order(self, view: View, dims: list[int]) -> list[int]:
        """Loop over the node as it was computed where that is possible, else by size."""
        node = view.node
        if node.fusible and len(dims) == len(node.shape):
            order = sorted(dims, key=lambda d: -abs(view.strides[d]))
            same = [(view.shape[d], view.strides[d]) for d in order]
            if same == list(zip(node.shape, contiguous_strides(node.shape), strict=True)):
                return order
        return sorted(dims, key=lambda d: view.shape[d])

    def _packed(self, view: View) -> View:
        """Constants laid out in the order in which a loop reads them."""
        if view.node.kind != "constant" or view.literal is not None:
            return view
        varying = [bool(stride) for stride in view.strides]
        packed = [size for size, v in zip(view.shape, varying, strict=True) if v]
        steps = iter(contiguous_strides(packed))
        strides = tuple(next(steps) if v else 0 for v in varying)
        if strides == view.strides and view.offset == 0 and view.node.size == math.prod(packed):
            return view
        node = self._data(strided(view.node.attributes[0], packed, _nonzero(view), view.offset))
        return View(node, view.shape, strides)

    def _data(self, core: np.ndarray) -> Node:
        """The node of an array that is dense in memory, in whatever order of its dimensions."""
        dtype = {"f": DOUBLE, "i": INT, "u": LOGICAL}[core.dtype.kind]
        if core.size < LARGE:
            return self._node("constant", core.shape, dtype, (), (core,), (content(core),))
        place = core.__array_interface__["data"][0], core.nbytes, dtype
        if place not in self._large:
            core = core.ravel(order="K")
            node = self._node("constant", core.shape, dtype, (), (core,), (content(core),))
            self._large[place] = node
        return self._large[place]


def _nonzero(view: View) -> list[int]:
    return [stride for stride in view.strides if stride]


def _reading_order(views: Sequence[View], dims: list[int]) -> list[int]:
    """Loops from the outermost to the innermost: the longest innermost, where it is vectorised.

    Data that fill the caches are read in the order of their memory, which needs no copy.
    """
    for view in views:
        if view.node.kind == "constant" and view.node.size >= LARGE:
            return sorted(dims, key=lambda d: (not view.strides[d], -abs(view.strides[d])))
    return sorted(dims, key=lambda d: views[0].shape[d])


def _whole(node: Node) -> View:
    return View(node, node.shape, contiguous_strides(node.shape))


def _spread(node: Node, shape: Sequence[int], order: Sequence[int]) -> View:
    """A node computed over `order` of the dimensions, seen as the full `shape`."""
    strides = [0] * len(shape)
    for dim, stride in zip(order, contiguous_strides(node.shape), strict=True):
        strides[dim] = stride
    return View(node, tuple(shape), tuple(strides))


def _view_key(view: View) -> tuple:
    return view.node.serial, view.shape, view.strides, view.offset
