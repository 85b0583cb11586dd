"""A function of one point as a function of many, in torch.

`torch.func.vmap` batches the operations; since it does so anew at every call, its work is
recorded once per number of points, and the recording is replayed. What cannot be recorded runs
under vmap, what vmap has no rule for, point by point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import Graph, GraphModule
from torch.utils._python_dispatch import TorchDispatchMode

from probgen.compile.record import Recorder
from probgen.compile.tape import mapped
from probgen.targets.graph_module import needed, portable

__all__ = ["Batched", "Sizes", "batched", "captured", "sizes_of"]

Batched = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]

_functorch: Any = torch._C._functorch

LARGEST_COPIED = 2**23
"""A recording copies its constants: with more numbers than this, vmap itself runs."""


class Sizes(TorchDispatchMode):
    """Counts the elements of what is computed while it is active: in all, and the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run `func` and note the sizes of its results."""
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(item, torch.Tensor):
                self.total += item.numel()
                self.largest = max(self.largest, item.numel())
        return result


def sizes_of(module: Callable[[torch.Tensor], Any], example: torch.Tensor) -> Sizes:
    """How much `module` computes for one point."""
    with torch.no_grad(), Sizes() as sizes:
        module(example)
    return sizes


def batched(module: GraphModule, example: torch.Tensor) -> tuple[Batched, str]:
    """`module` over the rows of tensors shaped like `example` (n, dim), and how it runs.

    That is "recorded", "vmap" or "point by point".
    """
    if sum(buffer.numel() for buffer in module.buffers()) <= LARGEST_COPIED:
        try:
            return _recorded(module, example), "recorded"
        except Exception:  # whatever went wrong, the next way is right too
            pass
    mapped = torch.func.vmap(module)
    try:
        with _NoFallback(), torch.no_grad():
            mapped(example)
    except RuntimeError:
        return _point_by_point(module), "point by point"
    return mapped, "vmap"


def captured(function: Batched, example: torch.Tensor) -> Batched:
    """`function` as a CUDA graph, replayed without Python; itself where that cannot be done."""
    points = example.clone()
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries allocate their workspaces at their first calls
                function(points)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = function(points)
    except RuntimeError:
        return function

    def replay(q: torch.Tensor) -> tuple[torch.Tensor, ...]:
        points.copy_(q)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay


def _recorded(module: GraphModule, example: torch.Tensor) -> GraphModule:
    recorder = Recorder(_Everything(), {})
    points = example.detach().clone()
    recorder.add_input(points)
    with _NoFallback(), torch.no_grad(), recorder:
        results = torch.func.vmap(module)(points)
    ends = [recorder.memory.node_of(result) for result in results]
    wanted, graph, root = needed(ends), Graph(), torch.nn.Module()
    nodes: dict[Any, Any] = {recorder.inputs[0]: graph.placeholder("q")}
    for node in recorder.graph.nodes:
        if node not in wanted or node in nodes:
            continue
        if node.op == "get_attr":
            value = recorder.memory.constants[node].to(example.device)
            root.register_buffer(str(node.target), value)
            nodes[node] = graph.get_attr(str(node.target))
            continue
        args, kwargs = (mapped(a, nodes.__getitem__) for a in (node.args, node.kwargs))
        nodes[node] = graph.call_function(portable(node.target), args, kwargs)
    graph.output(tuple(nodes[end] for end in ends))
    return GraphModule(root, graph, "batched_density")


def _point_by_point(module: GraphModule) -> Batched:
    def each(q: torch.Tensor) -> tuple[torch.Tensor, ...]:
        rows = [module(point) for point in q]
        return tuple(torch.stack(parts) for parts in zip(*rows, strict=True))

    return each


class _Everything:
    """Holds every operation: all of them are recorded as they are."""

    def __contains__(self, operation: object) -> bool:
        return True


class _NoFallback:
    """vmap raises where it would otherwise loop over the points, slowly and with a warning."""

    def __enter__(self) -> None:
        self._before = _functorch._is_vmap_fallback_enabled()
        _functorch._set_vmap_fallback_enabled(False)

    def __exit__(self, *_: object) -> None:
        _functorch._set_vmap_fallback_enabled(self._before)
