"""Records the ATen operations of a running torch function as a graph.

A dispatch mode sees every operation below autograd, with real tensors. Operations on data alone
just run, and their results are constants; operations on traced tensors also become nodes.
Tensors are known by their storage and geometry, so views and aliases need no bookkeeping, and a
storage written in place is a flat buffer that is read and written through strides. Reading a
traced value in Python cannot be recorded and is refused with the line of the program.
"""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from torch.fx import Graph, Node
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from probgen.errors import UnsupportedOperation

__all__ = ["Recorder", "TracedFunctions", "program_line"]

aten = torch.ops.aten

# Results that depend on the shapes of their arguments, not on their values.
_SHAPES_ONLY = {
    aten.empty_like.default, aten.zeros_like.default, aten.ones_like.default,
    aten.full_like.default, aten.new_empty.default, aten.new_zeros.default,
    aten.new_ones.default, aten.new_full.default, aten.new_empty_strided.default,
}  # fmt: skip
# Their results are found through their memory: nothing to record.
_ALIASES = {
    aten.alias.default, aten.detach.default, aten.as_strided.default, aten.unfold.default,
}  # fmt: skip
_UNWRITTEN = {aten.empty_like.default, aten.new_empty.default, aten.new_empty_strided.default}
# The shape of the result depends on a mask, which may well be data.
_CHOSEN_BY_MASK = {aten.index.Tensor, aten.masked_select.default}
# A failed factorisation gives NaN, which a sampler takes for a divergence.
_CHECKS = {aten._linalg_check_errors.default}
_SIZED_BY_VALUES = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)

Geometry = tuple[int, tuple[int, ...], tuple[int, ...]]


@dataclass
class _Storage:
    """What is known of one block of memory: nodes by the geometry through which it is read.

    `flat` is the whole block as a vector: made from `first`, the value that it was created
    with, when a write or an unforeseen view needs it.
    """

    tensor: torch.Tensor
    views: dict[Geometry, Node] = field(default_factory=dict)
    first: Geometry | None = None
    flat: Node | None = None


class Recorder(TorchDispatchMode):
    """Records what happens to `inputs` while it is active.

    `recordable` holds the operations to record as they are, `forms` functions to run in place
    of an operation; any other operation is split into simpler ones where torch knows how.
    """

    def __init__(
        self, recordable: Container[Any], forms: Mapping[Any, Callable[..., Any]]
    ) -> None:
        super().__init__()
        self.graph = Graph()
        self.inputs: list[Node] = []
        self.constants: dict[Node, torch.Tensor] = {}
        self._recordable = recordable
        self._forms = forms
        self._storages: dict[int, _Storage] = {}
        self._snapshots: dict[tuple, tuple[torch.Tensor, Node]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its whole compiler, a second and a half, around this mode.
        return False

    def add_input(self, tensor: torch.Tensor) -> None:
        """Trace what is computed from `tensor`, which must own its memory."""
        node = self.graph.placeholder(f"input{len(self.inputs)}")
        node.meta["val"] = tensor.detach()
        self.inputs.append(node)
        self._register(tensor, node)

    def traces(self, tensor: torch.Tensor) -> bool:
        """Whether the value of `tensor` depends on the inputs."""
        return _memory(tensor) in self._storages

    def node_of(self, tensor: torch.Tensor) -> Node:
        """The node that computes `tensor`; one for a constant when it is not traced."""
        storage = self._storages.get(_memory(tensor))
        if storage is None:
            return self._constant(tensor)
        where = _geometry(tensor)
        if where not in storage.views:
            offset, size, stride = where
            if tensor.dtype != storage.tensor.dtype:
                raise UnsupportedOperation(
                    f"{program_line()}reads the bits of {storage.tensor.dtype} as {tensor.dtype}"
                )
            flat = self._flat(storage)
            storage.views[where] = self._call(aten.as_strided.default, flat, size, stride, offset)
        return storage.views[where]

    # --- dispatch ----------------------------------------------------------------------------

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run `func`, and record it when it touches a traced tensor or draws at random."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            return self._draw(func, args, kwargs)
        if not any(self.traces(tensor) for tensor in _tensors((args, kwargs))):
            return func(*args, **kwargs)
        if func in _SHAPES_ONLY:
            result = func(*args, **kwargs)
            return result.zero_() if func in _UNWRITTEN else result
        if func in _CHECKS:
            return None
        if func in _ALIASES:
            return func(*args, **kwargs)
        self._refuse_unknowable(func, args)
        if func._schema.is_mutable:
            return self._mutate(func, args, kwargs)
        if func in self._forms:
            with self:
                return self._forms[func](*args, **kwargs)
        if func not in self._recordable:
            simpler = torch._decomp.decomposition_table.get(func)
            if simpler is not None:
                with self:
                    return simpler(*args, **kwargs)
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return self._record(func, args, kwargs)

    def _refuse_unknowable(self, func: Any, args: tuple) -> None:
        if func is aten._local_scalar_dense.default:
            raise _unreadable()
        if not any(tag in func.tags for tag in _SIZED_BY_VALUES):
            return
        chosen = _tensors(args[1:] if func in _CHOSEN_BY_MASK else args)
        if func is aten.index.Tensor:
            chosen = (index for index in chosen if index.dtype in (torch.bool, torch.uint8))
        if any(self.traces(tensor) for tensor in chosen):
            raise UnsupportedOperation(
                f"{program_line()}makes a tensor whose shape depends on random values ({func}); "
                "torch.where keeps shapes fixed"
            )

    def _record(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        result = func(*args, **kwargs)
        node = self._call(func, *args, **kwargs)
        if func not in self._recordable:
            node.meta["where"] = program_line()
        if isinstance(result, torch.Tensor):
            self._register(result, node)
        else:
            for position, item in enumerate(result):
                if isinstance(item, torch.Tensor):
                    self._register(item, self._call(operator.getitem, node, position))
        return result

    def _draw(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """A random operation: refused in the end if anything depends on it."""
        result = func(*args, **kwargs)
        written = _written(func, args, kwargs) if func._schema.is_mutable else []
        for tensor in written or _tensors(result):
            node = self.graph.call_function(func)
            node.meta["where"] = program_line()
            if written:
                self._write(tensor, node)
            else:
                self._register(tensor, node)
        return result

    def _call(self, func: Any, *args: Any, **kwargs: Any) -> Node:
        return self.graph.call_function(func, self._nodes(args), self._nodes(kwargs))

    def _nodes(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.node_of(value)
        if isinstance(value, (tuple, list)):
            return tuple(self._nodes(item) for item in value)
        if isinstance(value, dict):
            return {key: self._nodes(item) for key, item in value.items()}
        return value

    # --- memory ------------------------------------------------------------------------------

    def _register(self, tensor: torch.Tensor, node: Node) -> None:
        key, where = _memory(tensor), _geometry(tensor)
        storage = self._storages.get(key)
        if storage is None:
            self._storages[key] = _Storage(tensor, {where: node}, where)
        else:
            storage.views.setdefault(where, node)

    def _constant(self, tensor: torch.Tensor) -> Node:
        """A node for the present value of an untraced tensor."""
        key = (_memory(tensor), _geometry(tensor), tensor.dtype, _version(tensor))
        if key not in self._snapshots:
            node = self.graph.get_attr(f"constant{len(self.constants)}")
            self.constants[node] = tensor.detach().clone()
            # The tensor is kept, so that no other takes its address.
            self._snapshots[key] = (tensor, node)
        return self._snapshots[key][1]

    def _flat(self, storage: _Storage) -> Node:
        if storage.flat is not None:
            return storage.flat
        whole = _block(storage.tensor)
        if storage.first is None:
            storage.flat = self._constant(whole)
            return storage.flat
        offset, size, stride = storage.first
        node = storage.views[storage.first]
        order = sorted(range(len(size)), key=lambda d: -stride[d])
        dense = torch.empty_strided([size[d] for d in order], [stride[d] for d in order],
                                    device="meta").is_contiguous()
        if dense and offset == 0 and node_size(size) == whole.numel():
            ordered = self._call(aten.permute.default, node, order)
            storage.flat = self._call(aten.view.default, ordered, [-1])
        else:
            zeros = self._constant(torch.zeros_like(whole))
            storage.flat = self._call(
                aten.as_strided_scatter.default, zeros, node, size, stride, offset
            )
        return storage.flat

    # --- writing in place --------------------------------------------------------------------

    def _mutate(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """An in-place operation: its pure form, then a write to the memory."""
        written = _written(func, args, kwargs)
        pure = _pure(func)
        if pure is None or len(written) != 1 or written[0] is not args[0]:
            raise UnsupportedOperation(f"{program_line()}writes in place by {func}")
        target = args[0]
        if torch.Tag.inplace_view in func.tags:
            node = self._call(pure, *args, **kwargs)
            func(*args, **kwargs)
            self._register(target, node)
            return target
        with self:
            value = args[1] if func is aten.copy_.default else pure(*args, **kwargs)
            value = torch.as_tensor(value).to(target.dtype).expand(target.shape)
        node = self.node_of(value)
        self._write(target, node)
        target.copy_(value)
        return target

    def _write(self, target: torch.Tensor, node: Node) -> None:
        key, where = _memory(target), _geometry(target)
        storage = self._storages.setdefault(key, _Storage(target))
        offset, size, stride = where
        if target.is_contiguous() and target.numel() == _block(target).numel():
            storage.first, storage.flat = where, None
        else:
            if _overlaps(target):
                raise UnsupportedOperation(f"{program_line()}writes to an expanded tensor")
            flat = self._flat(storage)
            storage.flat = self._call(
                aten.as_strided_scatter.default, flat, node, size, stride, offset
            )
            storage.first = None
        storage.views = {where: node}


class TracedFunctions(TorchFunctionMode):
    """What is caught above the operations, where Python calls torch.

    Reading the numbers of a traced tensor without an operation is refused; `replaced` holds
    functions that run in place of torch's own.
    """

    _READS = (torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.__array__)

    def __init__(
        self, recorder: Recorder, replaced: Mapping[Any, Callable[..., Any]]
    ) -> None:
        super().__init__()
        self._recorder = recorder
        self._replaced = replaced

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func` or its replacement."""
        if func in self._READS and self._recorder.traces(args[0]):
            raise _unreadable()
        return self._replaced.get(func, func)(*args, **(kwargs or {}))


def program_line() -> str:
    """What is running, as the start of a sentence: "FILE:LINE " of the user's program.

    Where Pyro evaluates a log density, it is the site; in the backward pass, nothing is known.
    """
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name == _TRACER:
            break
        if frame.f_code.co_name in ("compute_log_prob", "log_prob_sum") and "name" in frame.f_locals:
            return f"the log density of site {frame.f_locals['name']!r} "
        if not _is_library(name):
            return f"{os.path.basename(name)}:{frame.f_lineno} "
        frame = frame.f_back  # type: ignore[assignment]
    return "the gradient "


_HERE = os.path.dirname(__file__)
_TRACER = os.path.join(_HERE, "trace.py")
_STANDARD = os.path.dirname(os.__file__) + os.sep
_LIBRARIES = (
    "<frozen", "<string>",
    *(os.path.dirname(module.__file__) + os.sep for module in (torch, pyro)),
    *(os.path.join(os.path.dirname(_HERE), room) + os.sep
      for room in ("compile", "declare", "targets", "inference")),
)  # fmt: skip


def _is_library(name: str) -> bool:
    standard = name.startswith(_STANDARD) and "site-packages" not in name
    return standard or name.startswith(_LIBRARIES)


def _unreadable() -> UnsupportedOperation:
    return UnsupportedOperation(
        f"{program_line()}looks at a random value in Python (an `if`, a `while`, `.item()`, "
        "`float()` or `.numpy()`), which cannot be compiled; torch.where and tensor "
        "operations can"
    )


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)


def _written(func: Any, args: tuple, kwargs: Mapping[str, Any]) -> list[torch.Tensor]:
    """The tensors that an operation writes to."""
    found = []
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = kwargs.get(argument.name) if position >= len(args) else args[position]
            found.extend(_tensors(value))
    return found


def _pure(func: Any) -> Any:
    """The operation without the write: aten.add for aten.add_."""
    name = func._schema.name.split("::")[1]
    packet = getattr(aten, name[:-1], None) if name.endswith("_") else None
    if packet is None:
        return aten.zeros_like.default if name == "zero_" else None
    overloads = [getattr(packet, overload) for overload in packet.overloads()]
    return next((o for o in overloads if _arguments(o) == _arguments(func)), None)


def _arguments(func: Any) -> list[tuple[str, str]]:
    return [(argument.name, str(argument.type)) for argument in func._schema.arguments]


def _memory(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors have no such thing
        return -1


def _geometry(tensor: torch.Tensor) -> Geometry:
    return tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _block(tensor: torch.Tensor) -> torch.Tensor:
    """The whole memory behind a tensor, as a vector."""
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.as_strided(tensor.detach(), (count,), (1,), 0)


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _overlaps(tensor: torch.Tensor) -> bool:
    return any(
        size > 1 and stride == 0 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    )


def node_size(shape: tuple[int, ...]) -> int:
    """Number of elements of a tensor of this shape."""
    count = 1
    for size in shape:
        count *= size
    return count
