"""Large matrix products and factorisations by the BLAS and LAPACK that SciPy brings.

SciPy publishes the addresses of its routines for Cython; they reach the compiled text through
the constant table, as one more array, so that the text stays the same from process to process
and nothing is linked. Without them (another SciPy, another integer size) every operation keeps
its loops. Small matrices stay loops, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from probgen.compile.ir import DOUBLE, Graph, View

__all__ = [
    "calls_blas",
    "cholesky",
    "cholesky_backward",
    "gemm",
    "single_threaded",
    "solve_triangular",
]

# In the order of `Routines` in runtime.hpp.
_ROUTINES = (
    ("cython_blas", "dgemm"),
    ("cython_blas", "dtrsm"),
    ("cython_blas", "dtrsv"),
    ("cython_lapack", "dpotrf"),
)
_PRODUCT = 1024  # multiplications from which on a call is worth its overhead
_ORDER = 24  # rows of a triangular matrix from which on it is


def gemm(graph: Graph, a: View, b: View) -> View | None:
    """Batched matrix product (..., n, k) by (..., k, m); None where loops are better."""
    *lead, n, k = a.shape
    m = b.shape[-1]
    small = n * k * m < _PRODUCT or min(n, k, m) < 4
    if small or a.dtype != DOUBLE or b.dtype != DOUBLE or 0 in lead or _table() is None:
        return None
    left, right = _matrix(graph, a), _matrix(graph, b)
    extra = (math.prod(lead), n, k, m, *left[1:], *right[1:])
    operands = [_routines(graph), left[0], right[0]]
    return graph.call_at("probgen::gemm", (*lead, n, m), operands, extra)


def cholesky(graph: Graph, a: View) -> View | None:
    """Lower Cholesky factors of symmetric matrices; None where loops are better."""
    if not _worthwhile(a):
        return None
    extra = (math.prod(a.shape[:-2]), a.shape[-1])
    return graph.call("probgen::cholesky_lapack", a.shape, [_routines(graph), a], extra)


def cholesky_backward(graph: Graph, grad: View, factor: View) -> View | None:
    """The derivative by matrices from that by their factors; None where loops are better."""
    if not _worthwhile(factor):
        return None
    extra = (math.prod(factor.shape[:-2]), factor.shape[-1])
    operands = [_routines(graph), grad, factor]
    return graph.call("probgen::factors::cholesky_backward_blas", factor.shape, operands, extra)


def solve_triangular(graph: Graph, a: View, b: View, upper: bool, unit: bool) -> View | None:
    """x of a x = b, broadcast to common leading dimensions; None where loops are better."""
    if not _worthwhile(a) or b.dtype != DOUBLE or 0 in b.shape:
        return None
    matrix, *place = _matrix(graph, a)
    extra = (math.prod(b.shape[:-2]), *b.shape[-2:], *place, int(upper), int(unit))
    operands = [_routines(graph), matrix, graph.contiguous(b)]
    return graph.call_at("probgen::solve_triangular_blas", b.shape, operands, extra)


def calls_blas(constants: Sequence[np.ndarray]) -> bool:
    """Whether a function with these constants calls a BLAS."""
    table = _table() if _table.cache_info().currsize else None
    return table is not None and any(np.array_equal(array, table) for array in constants)


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """No threads of the BLAS's own while any thread of ours is inside; put back afterwards.

    A BLAS with threads makes calls from several chains wait for each other, which takes a
    hundred times longer, and its sums depend on their number. Costs nothing in a process that
    has compiled no call of a BLAS.
    """
    if not _table.cache_info().currsize or _table() is None:
        yield
        return
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class _Limit:
    """One thread in every BLAS of the process as long as anybody is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, int]] = []

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = [(blas, blas.get_num_threads()) for blas in _libraries()]
                for blas, _ in self._before:
                    _set_threads(blas, 1)

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for blas, threads in self._before:
                    _set_threads(blas, threads)


_limit = _Limit()


def _set_threads(blas: Any, count: int) -> None:
    # Newer threadpoolctl listens to one thread only, and says nothing to the others.
    release = getattr(blas, "clear_controlling_thread", lambda force: None)
    release(force=True)
    blas.set_num_threads(count)
    release(force=True)


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def _worthwhile(a: View) -> bool:
    empty = 0 in a.shape or a.dtype != DOUBLE
    return not empty and a.shape[-1] >= _ORDER and _table() is not None


@lru_cache(maxsize=1)
def _table() -> np.ndarray | None:
    """The addresses of the routines as bytes; None when SciPy does not have them.

    None, too, when there is no way to keep the BLAS from starting threads.
    """
    try:
        import threadpoolctl  # noqa: F401
        from scipy.linalg import cython_blas, cython_lapack
    except ImportError:
        return None
    modules = {"cython_blas": cython_blas, "cython_lapack": cython_lapack}
    addresses = [_address(getattr(modules[m], "__pyx_capi__", {}).get(n)) for m, n in _ROUTINES]
    return np.array(addresses, dtype=np.uintp).view(np.uint8) if all(addresses) else None


def _address(capsule: Any) -> int:
    """The pointer in a capsule; 0 when it is no routine with integers of the C type int."""
    if capsule is None:
        return 0
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    signature = api.PyCapsule_GetName(capsule)
    words = (signature or b"").decode()
    if not words.startswith("void (char *") or ", int *" not in words:
        return 0
    return api.PyCapsule_GetPointer(capsule, signature) or 0


def _routines(graph: Graph) -> View:
    table = _table()
    assert table is not None
    return graph.data(table)


def _matrix(graph: Graph, view: View) -> tuple[View, int, int, int]:
    """A view of matrices in their place: the step from one to the next, the leading dimension,
    and whether the buffer holds their transposes. Views of any other kind are copied first.
    """
    place = _place(view)
    if place is None:
        view = graph.contiguous(view)
        place = (math.prod(view.shape[-2:]), view.shape[-1], 0)
    return view, *place


def _place(view: View) -> tuple[int, int, int] | None:
    (n, m), (down, across) = view.shape[-2:], view.strides[-2:]
    step = _batch_step(view)
    if step is None:
        return None
    if (across == 1 or m == 1) and (down >= m or n == 1):
        return step, down if n > 1 else m, 0
    if (down == 1 or n == 1) and (across >= n or m == 1):
        return step, across if m > 1 else n, 1
    return None


def _batch_step(view: View) -> int | None:
    """The distance between successive matrices, when it is always the same."""
    lead = [(n, s) for n, s in zip(view.shape[:-2], view.strides[:-2], strict=True) if n > 1]
    if not lead:
        return 0
    for (_, outer), (size, inner) in pairwise(lead):
        if outer != size * inner:
            return None
    return lead[-1][1] if lead[-1][1] >= 0 else None
