"""What passes between Python and the native sweeps, and who owns it."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

from probgen.inference.graphical.native.library import open_library
from probgen.targets.factors import FlatFactors

__all__ = ["KINDS", "NativeModel", "NetworkView", "Task", "sweep_library"]

KINDS = ("fixed", "small", "threshold", "odds", "product", "logarithm")


class Task(ctypes.Structure):
    """Sweeps to make on a range of chains; `Task` of native/sweep_task.hpp."""

    _fields_ = (
        ("states", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("first_column", ctypes.c_int64),
        ("chains", ctypes.c_int64),
        ("key", ctypes.c_uint64),
        ("first_sweep", ctypes.c_int64),
        ("sweeps", ctypes.c_int64),
        ("first_chain", ctypes.c_int64),
        ("order", ctypes.c_void_p),
        ("updates", ctypes.c_int64),
        ("counts", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("draws", ctypes.c_void_p),
        ("thin", ctypes.c_int64),
        ("trouble", ctypes.c_void_p),
    )


class _Network(ctypes.Structure):
    _fields_ = (
        ("variables", ctypes.c_int32),
        ("cards", ctypes.c_void_p),
        ("factors", ctypes.c_int64),
        ("scope_offsets", ctypes.c_void_p),
        ("scopes", ctypes.c_void_p),
        ("table_offsets", ctypes.c_void_p),
        ("log_tables", ctypes.c_void_p),
    )


class NetworkView:
    """Flat factors as the native code reads them; keeps the arrays alive."""

    def __init__(self, flat: FlatFactors):
        self._arrays = (
            np.ascontiguousarray(flat.cards, dtype=np.int32),
            np.ascontiguousarray(flat.scope_offsets, dtype=np.int64),
            np.ascontiguousarray(flat.scopes, dtype=np.int32),
            np.ascontiguousarray(flat.table_offsets, dtype=np.int64),
            np.ascontiguousarray(flat.log_tables, dtype=np.float64),
        )
        cards, scope_offsets, scopes, table_offsets, log_tables = self._arrays
        self.network = _Network(
            len(cards),
            cards.ctypes.data,
            len(scope_offsets) - 1,
            scope_offsets.ctypes.data,
            scopes.ctypes.data,
            table_offsets.ctypes.data,
            log_tables.ctypes.data,
        )


class NativeModel:
    """The compiled tables of a network; freed with this object.

    Raises `BuildError` without a compiler.
    """

    def __init__(
        self,
        flat: FlatFactors,
        order: np.ndarray,
        merge: int,
        budget: int,
        lump: bool,
        library: ctypes.CDLL | None = None,
    ):
        self.library = library or sweep_library()
        self._order = np.ascontiguousarray(order, dtype=np.int32)
        view = NetworkView(flat)
        self.address = self.library.probgen_sweep_build(
            ctypes.byref(view.network), self._order.ctypes.data, merge, budget, int(lump)
        )
        weakref.finalize(self, self.library.probgen_sweep_free, self.address)
        about = np.zeros(2, dtype=np.int64)
        kinds = np.zeros(len(order), dtype=np.int32)
        self.library.probgen_sweep_describe(self.address, about.ctypes.data, kinds.ctypes.data)
        self.merge, self.table_bytes = int(about[0]), int(about[1])
        self.kinds = kinds

    def run(self, task: Task) -> int:
        """Make the sweeps of a task; 0, or 1 when some conditional was all zero."""
        return int(self.library.probgen_sweep_run(self.address, ctypes.byref(task)))


def sweep_library(library: ctypes.CDLL | None = None) -> ctypes.CDLL:
    """The sweeps' library with its signatures declared."""
    library = library or open_library("gibbs.cpp")
    pointer, integer, long = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "probgen_sweep_build": (pointer, (pointer, pointer, long, long, integer)),
        "probgen_sweep_free": (None, (pointer,)),
        "probgen_sweep_describe": (None, (pointer, pointer, pointer)),
        "probgen_sweep_run": (integer, (pointer, pointer)),
        "probgen_count_states": (None, (pointer, long, pointer, long, pointer, pointer)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
