"""A traced graph as a torch function of one flat vector, on any device, in either precision.

The recorded operations are replayed as they are, except those that rely on the memory layout of
the recording (views and strided reads become reshapes and gathers), on exceptions (a failed
factorisation is NaN), or on its device and precision. Being pure, the function can be batched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import fx
from torch.fx import Graph, GraphModule

from probgen.compile.cholesky import CHOLESKY_BACKWARD, cholesky_backward
from probgen.compile.operations import CUMPROD_BACKWARD, _cumprod_backward
from probgen.compile.tape import Node, inputs_of
from probgen.compile.trace import TracedGraph

__all__ = ["density_module", "needed", "outputs_module", "portable"]

aten = torch.ops.aten


def density_module(
    traced: TracedGraph, dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> GraphModule:
    """`f(q) -> (log density, gradient)` of flat vectors `q` (dim,), both of `q`'s type."""
    copy = _Copy(traced, dtype, device)
    gradients = [copy.of(f"grad:{i}") for i in range(len(traced.inputs))]
    flat = [copy.graph.call_function(torch.reshape, (node, (-1,))) for node in gradients]
    joined = copy.graph.call_function(torch.cat, (flat,)) if flat else copy.vector
    return copy.module((copy.of("value"), joined))


def outputs_module(
    traced: TracedGraph, dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> tuple[GraphModule, list[str]]:
    """`f(q) -> tuple` of everything else the traced function returned, and the names of these."""
    names = [name for name in traced.outputs if ":" in name and not name.startswith("grad:")]
    copy = _Copy(traced, dtype, device)
    return copy.module(tuple(copy.of(name) for name in names)), names


def needed(outputs: Iterable[Node]) -> set[Node]:
    """The nodes that `outputs` depend on, themselves included."""
    found: set[Node] = set()
    pending = list(outputs)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += inputs_of(node)
    return found


def portable(target: Any) -> Any:
    """The operation to run in place of a recorded one, which may rely on memory layout."""
    return _PORTABLE.get(target, target)


class _Copy:
    """A graph under construction, with the nodes of the traced one that it needs."""

    def __init__(self, traced: TracedGraph, dtype: torch.dtype, device: str) -> None:
        self.traced, self.dtype, self.device = traced, dtype, device
        self.graph = Graph()
        self.root = torch.nn.Module()
        self.vector = self.graph.placeholder("q")
        self.nodes: dict[Node, fx.Node] = {}
        self._wanted: list[str] = []

    def of(self, name: str) -> fx.Node:
        """The node of an output, copied with all that it needs."""
        if not self.nodes:
            self._place_inputs()
        end = self.traced.outputs[name]
        if end not in self.nodes:
            missing = needed([end]) - self.nodes.keys()
            for node in self.traced.graph.nodes:
                if node in missing:
                    self.nodes[node] = self._copied(node)
        return self.nodes[end]

    def module(self, outputs: tuple[fx.Node, ...]) -> GraphModule:
        """The finished function."""
        self.graph.output(outputs)
        return GraphModule(self.root, self.graph, "traced_density")

    def _place_inputs(self) -> None:
        offset = 0
        for node in self.traced.inputs:
            example = node.example
            part = self.graph.call_function(
                torch.narrow, (self.vector, 0, offset, example.numel())
            )
            shape = tuple(example.shape)
            self.nodes[node] = self.graph.call_function(torch.reshape, (part, shape))
            offset += example.numel()

    def _copied(self, node: Node) -> fx.Node:
        if node.op == "get_attr":
            value = self.traced.constants[node].to(self.device)
            value = value.to(self.dtype) if value.dtype == torch.float64 else value
            self.root.register_buffer(str(node.target), value)
            return self.graph.get_attr(str(node.target))
        args, kwargs = self._moved(node.args), self._moved(node.kwargs)
        return self.graph.call_function(portable(node.target), args, kwargs)

    def _moved(self, value: Any) -> Any:
        """Arguments with the nodes, devices and precisions of the copy."""
        if isinstance(value, (tuple, list)):
            return tuple(self._moved(item) for item in value)
        if isinstance(value, dict):
            return {key: self._moved(item) for key, item in value.items()}
        if isinstance(value, torch.device):
            return torch.device(self.device)
        if value is torch.float64:
            return self.dtype
        return self.nodes[value] if isinstance(value, Node) else value


# --- operations that are replayed in another form ----------------------------------------------


def _positions(size: Sequence[int], stride: Sequence[int], offset: int, like: torch.Tensor):
    index = torch.tensor([offset], device=like.device)
    for count, step in zip(size, stride, strict=True):
        index = (index[:, None] + torch.arange(count, device=like.device) * step).reshape(-1)
    return index


def _as_strided(vector, size, stride, storage_offset=0):
    return vector[_positions(size, stride, storage_offset or 0, vector)].reshape(tuple(size))


def _as_strided_scatter(vector, source, size, stride, storage_offset=0):
    where = _positions(size, stride, storage_offset or 0, vector)
    return vector.index_copy(0, where, source.reshape(-1).to(vector.dtype))


def _cholesky(matrix, upper=False, check_errors=False):
    factor, info = aten.linalg_cholesky_ex.default(matrix, upper=upper)
    return _nan_where_failed(factor, info), info


def _inverse(matrix, check_errors=False):
    inverse, info = aten.linalg_inv_ex.default(matrix)
    return _nan_where_failed(inverse, info), info


def _nan_where_failed(matrix: torch.Tensor, info: torch.Tensor) -> torch.Tensor:
    return torch.where((info != 0)[..., None, None], torch.nan, matrix)


def _plain(indices):
    """Indices without masks, which cannot be batched; masks that set shapes are data."""
    plain: list[Any] = []
    for index in indices:
        plain += index.nonzero().unbind(1) if _masks(index) else [index]
    return plain


def _masks(index: torch.Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _index(x, indices):
    return aten.index.Tensor(x, _plain(indices))


def _index_put(x, indices, values, accumulate=False):
    if len(indices) == 1 and _masks(indices[0]) and values.numel() == 1 and not accumulate:
        mask = indices[0].reshape(indices[0].shape + (1,) * (x.dim() - indices[0].dim()))
        return torch.where(mask, values.reshape(()), x)
    return aten.index_put.default(x, _plain(indices), values, accumulate)


_PORTABLE: dict[Any, Callable[..., Any]] = {
    aten.fill.Scalar: torch.full_like,
    aten.fill.Tensor: lambda x, value: value.to(x.dtype).expand_as(x),
    aten.index.Tensor: _index,
    aten.index_put.default: _index_put,
    aten.view.default: torch.reshape,
    aten._unsafe_view.default: torch.reshape,
    aten.as_strided.default: _as_strided,
    aten.as_strided_scatter.default: _as_strided_scatter,
    aten.linalg_cholesky_ex.default: _cholesky,
    aten.linalg_inv_ex.default: _inverse,
    CUMPROD_BACKWARD: _cumprod_backward,
    CHOLESKY_BACKWARD: cholesky_backward,
}
