"""Calls from Python into torch that are run in another form while a program is traced.

A value that is only printed or checked (`assert`, `raise`, `warnings.warn`) cannot change the
density, so that it may be looked at; tensors built from tensors, writing through a single truth
and products with sparse data are spelled out in operations that have a rule.
"""

from __future__ import annotations

import ast
import functools
import linecache
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["INTERCEPTED"]

_Function = Callable[..., Any]
_PASSED_THROUGH = (
    __file__,
    os.path.join(os.path.dirname(__file__), "trace.py"),
    os.path.join(os.path.dirname(os.path.dirname(__file__)), "declare", "environment.py"),
    os.path.join(os.path.dirname(torch.__file__), "overrides.py"),
    os.path.join(os.path.dirname(torch.__file__), "_tensor.py"),
)


# --- looking without consequence ---------------------------------------------------------------


def _unseen(function: _Function) -> _Function:
    """`function` behind the back of the recorder."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction(), _disable_current_modes():
            return function(*args, **kwargs)

    return call


def _in_checks(function: _Function) -> _Function:
    """`function` unseen where the program only checks a value, as it is elsewhere."""
    quiet = _unseen(function)

    def call(*args: Any, **kwargs: Any) -> Any:
        return (quiet if _checking() else function)(*args, **kwargs)

    return call


def _checking() -> bool:
    """Whether the line that asks for a value can do nothing but raise or warn."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in _PASSED_THROUGH:
        frame = frame.f_back
    return frame is not None and frame.f_lineno in _checks(frame.f_code.co_filename)


@functools.lru_cache(256)
def _checks(path: str) -> frozenset[int]:
    """The lines of a file that belong to an assertion or to a test before raising or warning."""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(line for node in ast.walk(tree) for line in _check_lines(node))


def _check_lines(node: ast.AST) -> Iterator[int]:
    if isinstance(node, ast.Assert):
        yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
    elif isinstance(node, ast.If) and not node.orelse and all(map(_complains, node.body)):
        yield from range(node.test.lineno, (node.test.end_lineno or node.lineno) + 1)


def _complains(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return True
    called = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(called, ast.Call) and ast.unparse(called.func) in ("warnings.warn", "warn")


# --- tensors made of tensors -------------------------------------------------------------------


def _tensor(data: Any, *, dtype: torch.dtype | None = None, **options: Any) -> torch.Tensor:
    """torch.tensor, which would read the numbers of the tensors in a list."""
    if not _holds_tensors(data):
        return torch.tensor(data, dtype=dtype, **options)
    made = _joined(data)
    return made if dtype is None else made.to(dtype)


def _as_tensor(data: Any, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    if isinstance(data, torch.Tensor) or not _holds_tensors(data):
        return torch.as_tensor(data, dtype=dtype, device=device)
    return _tensor(data, dtype=dtype)


def _new_tensor(own: torch.Tensor, data: Any, **options: Any) -> torch.Tensor:
    if not _holds_tensors(data):
        return own.new_tensor(data, **options)
    return _tensor(data, dtype=options.get("dtype", own.dtype))


def _holds_tensors(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return any(map(_holds_tensors, data))
    return isinstance(data, torch.Tensor)


def _joined(data: Any) -> torch.Tensor:
    if isinstance(data, (list, tuple)):
        return torch.stack([_joined(item) for item in data])
    return torch.as_tensor(data).detach().clone()


def _set_item(x: torch.Tensor, index: Any, value: Any) -> None:
    """x[truth] = value for a single truth: torch would read it."""
    single = isinstance(index, torch.Tensor) and index.dtype == torch.bool and not index.dim()
    if single:
        new = torch.as_tensor(value, dtype=x.dtype)
        new = new[0] if new.dim() > x.dim() else new
        x.copy_(torch.where(index, new, x))
    else:
        torch.Tensor.__setitem__(x, index, value)


# --- sparse data -------------------------------------------------------------------------------


def _with_sparse(function: _Function) -> _Function:
    """A matrix product of which one side may be sparse data."""

    def call(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_sparse(a) and not _is_sparse(b):
            return _sparse_product(a, b)
        if _is_sparse(b) and not _is_sparse(a):
            left = a.mT if a.dim() > 1 else a
            result = _sparse_product(b.to_sparse_coo().t(), left)
            return result.mT if a.dim() > 1 else result
        return function(a, b, *args, **kwargs)

    return call


def _is_sparse(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.layout != torch.strided


def _sparse_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    matrix = a.to_sparse_coo().coalesce()
    rows, columns = matrix.indices()
    weights = matrix.values().double()
    terms = b[columns] * (weights[:, None] if b.dim() > 1 else weights)
    return torch.zeros(a.shape[0], *b.shape[1:], dtype=terms.dtype).index_add(0, rows, terms)


_READS = (
    torch.Tensor.__bool__, torch.Tensor.__float__, torch.Tensor.__int__, torch.Tensor.item,
    torch.allclose, torch.Tensor.allclose,
)  # fmt: skip
_TEXTS = (torch.Tensor.__repr__, torch.Tensor.__format__)
_PRODUCTS = (
    torch.sparse.mm, torch.mm, torch.mv, torch.matmul, torch.Tensor.mm, torch.Tensor.mv,
    torch.Tensor.matmul, torch.Tensor.__matmul__,
)  # fmt: skip

INTERCEPTED: dict[Any, _Function] = {
    **{function: _in_checks(function) for function in _READS},
    **{function: _unseen(function) for function in _TEXTS},
    **{function: _with_sparse(function) for function in _PRODUCTS},
    torch.tensor: _tensor,
    torch.as_tensor: _as_tensor,
    torch.Tensor.new_tensor: _new_tensor,
    torch.Tensor.__setitem__: _set_item,
}
