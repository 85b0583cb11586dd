"""Records the ATen operations of a running torch function as a graph.

A dispatch mode sees every operation below autograd, with real tensors. Operations on data alone
just run, and their results are constants; operations on traced tensors become nodes as well.
In-place operations are recorded as their pure form followed by a write to memory. What cannot
be recorded (looking at a traced value in Python, shapes that depend on values) is refused, with
the line of the program.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from probgen.compile.location import program_line
from probgen.compile.memory import Memory
from probgen.compile.tape import Node, Tape
from probgen.errors import UnsupportedOperation

__all__ = ["Recorder", "unreadable"]

aten = torch.ops.aten

# Results that depend on the shapes of their arguments, not on their values.
_SHAPES_ONLY = {
    aten.empty_like.default, aten.zeros_like.default, aten.ones_like.default,
    aten.full_like.default, aten.new_empty.default, aten.new_zeros.default,
    aten.new_ones.default, aten.new_full.default, aten.new_empty_strided.default,
}  # fmt: skip
_UNWRITTEN = {aten.empty_like.default, aten.new_empty.default, aten.new_empty_strided.default}
# Their results are found through their memory: nothing to record.
_ALIASES = {
    aten.alias.default, aten.detach.default, aten.as_strided.default, aten.unfold.default,
}  # fmt: skip
# The shape of the result depends on a mask, which may well be data.
_CHOSEN_BY_MASK = {aten.index.Tensor, aten.masked_select.default}
# A failed factorisation gives NaN, which a sampler takes for a divergence.
_CHECKS = {aten._linalg_check_errors.default}
_SIZED_BY_VALUES = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)


# Which output only says whether a factorisation went well: where it did not, compiled code
# gives NaN, so that a program's own look at it (`if info.any()`) is settled while it is traced.
_STATUS = {
    aten.linalg_cholesky_ex.default: 1,
    aten.linalg_inv_ex.default: 1,
    aten.linalg_lu_factor_ex.default: 2,
    aten._linalg_solve_ex.default: 3,
}


class Recorder(TorchDispatchMode):
    """Records what is computed from the inputs while it is active.

    `recordable` holds the operations to record as they are, `forms` functions to run in place
    of an operation; any other operation is split into simpler ones where torch knows how.
    """

    def __init__(
        self, recordable: Container[Any], forms: Mapping[Any, Callable[..., Any]]
    ) -> None:
        super().__init__()
        self.graph = Tape()
        self.inputs: list[Node] = []
        self.memory = Memory(self.graph)
        self._recordable = recordable
        self._forms = forms

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its whole compiler, a second and a half, around this mode.
        return False

    def add_input(self, tensor: torch.Tensor) -> None:
        """Trace what is computed from `tensor`, which must own its memory."""
        node = self.graph.placeholder(f"input{len(self.inputs)}")
        node.example = tensor.detach()
        self.inputs.append(node)
        self.memory.register(tensor, node)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run `func`, and record it when it touches a traced tensor or draws at random."""
        kwargs = kwargs or {}
        manner = _manner(func)
        if manner in ("write", "draw"):
            for target in _written(func, args, kwargs):
                self.memory.preserve(target)
        if manner == "draw":
            return self._draw(func, args, kwargs)
        if manner == "check":
            return None
        if not (self._traces(args) or (kwargs and self._traces(kwargs))):
            return func(*args, **kwargs)
        if manner == "shape":
            result = func(*args, **kwargs)
            return result.zero_() if func in _UNWRITTEN else result
        if manner == "alias":
            return func(*args, **kwargs)
        if manner == "equal":
            return func(*args)  # at a random point, what is equal is so everywhere
        if manner in ("unknowable", "write"):
            self._refuse_unknowable(func, args)
        if manner == "write":
            return self._mutate(func, args, kwargs)
        if func in self._recordable and func not in self._forms:
            return self._record(func, args, kwargs)
        return self._split(func, args, kwargs)

    def _traces(self, value: Any) -> bool:
        """Whether any tensor among the arguments `value` depends on the inputs."""
        if isinstance(value, torch.Tensor):
            return self.memory.traces(value)
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (tuple, list)):
            return False
        return any(map(self._traces, value))

    def _split(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """Run a function made of simpler operations in place of `func`."""
        simpler = self._forms.get(func) or torch._decomp.decomposition_table.get(func)
        with self:
            if simpler is not None:
                return simpler(*args, **kwargs)
            result = func.decompose(*args, **kwargs)
        return self._record(func, args, kwargs) if result is NotImplemented else result

    def _record(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        result = func(*args, **kwargs)
        node = self._call(func, *args, **kwargs)
        if func not in self._recordable:
            node.where = program_line()
        if isinstance(result, torch.Tensor):
            self.memory.register(result, node)
            return result
        for position, item in enumerate(result):
            if isinstance(item, torch.Tensor) and position != _STATUS.get(func):
                part = self.graph.call_function(operator.getitem, (node, position))
                self.memory.register(item, part)
        return result

    def _draw(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """A random operation: refused in the end if anything depends on it."""
        result = func(*args, **kwargs)
        written = _written(func, args, kwargs) if func._schema.is_mutable else []
        note = self.memory.write if written else self.memory.register
        for tensor in written or _tensors(result):
            node = self.graph.call_function(func)
            node.where = program_line()
            note(tensor, node)
        return result

    def _mutate(self, func: Any, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        """An in-place operation: its pure form, then a write to the memory."""
        pure = _pure(func)
        written = _written(func, args, kwargs)
        if pure is None or len(written) != 1 or written[0] is not args[0]:
            raise UnsupportedOperation(f"{program_line()}writes in place by {func}")
        target = args[0]
        if torch.Tag.inplace_view in func.tags:
            node = self._call(pure, *args, **kwargs)
            func(*args, **kwargs)
            self.memory.register(target, node)
            return target
        with self:
            value = args[1] if func is aten.copy_.default else pure(*args, **kwargs)
            value = torch.as_tensor(value).to(target.dtype).expand(target.shape)
        self.memory.write(target, self.memory.node_of(value))
        target.copy_(value)
        return target

    def _refuse_unknowable(self, func: Any, args: tuple) -> None:
        if func is aten._local_scalar_dense.default:
            raise unreadable()
        if not any(tag in func.tags for tag in _SIZED_BY_VALUES):
            return
        chosen = _tensors(args[1:] if func in _CHOSEN_BY_MASK else args)
        if func is aten.index.Tensor:
            chosen = (index for index in chosen if index.dtype in (torch.bool, torch.uint8))
        if any(self.memory.traces(tensor) for tensor in chosen):
            raise UnsupportedOperation(
                f"{program_line()}makes a tensor whose shape depends on random values ({func}); "
                "torch.where keeps shapes fixed"
            )

    def _call(self, func: Any, *args: Any, **kwargs: Any) -> Node:
        return self.graph.call_function(
            func, self._nodes(args), self._nodes(kwargs) if kwargs else None
        )

    def _nodes(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.memory.node_of(value)
        if isinstance(value, (tuple, list)):
            return tuple([self._nodes(item) for item in value])
        if isinstance(value, dict):
            return {key: self._nodes(item) for key, item in value.items()}
        return value


@functools.cache
def _manner(func: Any) -> str:
    """How an operation is met, in a word; "" for most. Asked so often that it is noted."""
    listed = (
        (func in _CHECKS, "check"),
        (func in _SHAPES_ONLY, "shape"),
        (func in _ALIASES, "alias"),
        (func is aten.equal.default, "equal"),
        (torch.Tag.nondeterministic_seeded in func.tags, "draw"),
        (func._schema.is_mutable, "write"),
        (func is aten._local_scalar_dense.default, "unknowable"),
        (any(tag in func.tags for tag in _SIZED_BY_VALUES), "unknowable"),
    )
    return next((manner for applies, manner in listed if applies), "")


def unreadable() -> UnsupportedOperation:
    """The error for looking at a traced value in Python."""
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
    found: list[torch.Tensor] = []
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
