"""Which node of the graph computes a tensor, found through the tensor's memory.

Tensors are known by their storage and the geometry with which they read it, so that views and
aliases need no bookkeeping. A storage that is written in place is a flat vector, read and
written through strides; every write makes a new node.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from probgen.compile.data import LARGE
from probgen.compile.location import program_line
from probgen.compile.tape import Node, Tape
from probgen.errors import UnsupportedOperation

__all__ = ["Memory"]

aten = torch.ops.aten
Geometry = tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]


@dataclass
class _Storage:
    """What is known of one block of memory: nodes by the geometry through which it is read.

    `flat` is the whole block as a vector: made from `first`, the value that it was created
    with, when a write or an unforeseen view needs it. The weak reference keeps the address from
    being given to another block, but not the memory itself.
    """

    reference: StorageWeakRef
    dtype: torch.dtype
    count: int
    views: dict[Geometry, Node] = field(default_factory=dict)
    first: Geometry | None = None
    flat: Node | None = None


class Memory:
    """Nodes of a tape by the tensors that they compute; `constants` by their nodes."""

    def __init__(self, graph: Tape) -> None:
        self.graph = graph
        self.constants: dict[Node, torch.Tensor] = {}
        self._storages: dict[int, _Storage] = {}
        self._snapshots: dict[tuple, tuple[StorageWeakRef, Node]] = {}
        self._borrowed: dict[int, list[Node]] = {}  # constants that are no copies, by storage

    def traces(self, tensor: torch.Tensor) -> bool:
        """Whether the value of `tensor` depends on the inputs."""
        return _address(tensor) in self._storages

    def register(self, tensor: torch.Tensor, node: Node) -> None:
        """Note that `node` computes `tensor`."""
        key, where = _address(tensor), _geometry(tensor)
        storage = self._storages.get(key)
        if storage is None:
            self._storages[key] = _storage(tensor, {where: node}, where)
        else:
            storage.views.setdefault(where, node)

    def node_of(self, tensor: torch.Tensor) -> Node:
        """The node that computes `tensor`; that of a constant when it is not traced."""
        storage = self._storages.get(_address(tensor))
        if storage is None:
            return self._constant(tensor)
        where = _geometry(tensor)
        if where not in storage.views:
            if tensor.dtype != storage.dtype:
                raise UnsupportedOperation(
                    f"{program_line()}reads the bits of {storage.dtype} as {tensor.dtype}"
                )
            offset, size, stride, _ = where
            storage.views[where] = self._call(
                aten.as_strided.default, self._flat(storage), size, stride, offset
            )
        return storage.views[where]

    def write(self, target: torch.Tensor, node: Node) -> None:
        """Note that `node` computes what has been, or will now be, written to `target`."""
        where = _geometry(target)
        storage = self._storages.get(_address(target))
        if storage is None:
            storage = self._storages[_address(target)] = _storage(target)
            storage.flat = self._constant(_block(target))
            self.preserve(target)
        if target.is_contiguous() and target.numel() == storage.count:
            storage.first, storage.flat = where, None
        else:
            offset, size, stride, _ = where
            if any(n > 1 and step == 0 for n, step in zip(size, stride, strict=True)):
                raise UnsupportedOperation(f"{program_line()}writes to an expanded tensor")
            storage.flat = self._call(
                aten.as_strided_scatter.default, self._flat(storage), node, size, stride, offset
            )
            storage.first = None
        storage.views = {where: node}

    def preserve(self, tensor: torch.Tensor) -> None:
        """Copy the constants that live in the memory of `tensor`, which is to be written."""
        for node in self._borrowed.pop(_address(tensor), ()):
            self.constants[node] = self.constants[node].clone()

    def _constant(self, tensor: torch.Tensor) -> Node:
        """A node for the present value of an untraced tensor."""
        version = -1 if tensor.is_inference() else tensor._version
        key = (_address(tensor), _geometry(tensor), version)
        if key not in self._snapshots:
            node = self.graph.get_attr(f"constant{len(self.constants)}")
            if tensor.numel() < LARGE:
                self.constants[node] = tensor.detach().clone()
            else:
                self.constants[node] = tensor.detach()
                self._borrowed.setdefault(key[0], []).append(node)
            self._snapshots[key] = (StorageWeakRef(tensor.untyped_storage()), node)
        return self._snapshots[key][1]

    def _flat(self, storage: _Storage) -> Node:
        if storage.flat is not None:
            return storage.flat
        if storage.first is None:
            raise AssertionError("a storage has neither a vector nor a first value")
        offset, size, stride, _ = storage.first
        node = storage.views[storage.first]
        order = sorted(range(len(size)), key=lambda d: -stride[d])
        ordered = torch.empty_strided(
            [size[d] for d in order], [stride[d] for d in order], device="meta"
        )
        if ordered.is_contiguous() and offset == 0 and math.prod(size) == storage.count:
            node = self._call(aten.permute.default, node, tuple(order))
            storage.flat = self._call(aten.view.default, node, (-1,))
        else:
            zeros = self._constant(torch.zeros(storage.count, dtype=storage.dtype))
            storage.flat = self._call(
                aten.as_strided_scatter.default, zeros, node, size, stride, offset
            )
        return storage.flat

    def _call(self, func: Callable[..., Any], *args: Any) -> Node:
        return self.graph.call_function(func, args)


def _storage(tensor: torch.Tensor, *state: Any) -> _Storage:
    block = tensor.untyped_storage()
    count = block.nbytes() // tensor.element_size()
    return _Storage(StorageWeakRef(block), tensor.dtype, count, *state)


def _address(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors have no such thing
        return -1


def _geometry(tensor: torch.Tensor) -> Geometry:
    return int(tensor.storage_offset()), tensor.shape, tensor.stride(), tensor.dtype


def _block(tensor: torch.Tensor) -> torch.Tensor:
    """The whole memory behind a tensor, as a vector."""
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.as_strided(tensor.detach(), (count,), (1,), 0)
