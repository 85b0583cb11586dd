"""A chain that lives in native code: started or loaded, then advanced piece by piece."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any

import numpy as np

from probgen.inference.adapt.settings import Learnt, Output, Report
from probgen.inference.chains import OUT_OF_MEMORY
from probgen.inference.pieces import Stretch
from probgen.inference.snapshot import Fields, check_fields, refuse

__all__ = ["NativeChain", "declare"]

_KINDS = tuple(np.dtype(kind) for kind in (np.float64, np.int64, np.uint64))


class _Field(ctypes.Structure):
    """One array of a chain's state; see `archive.hpp`."""

    _fields_ = (
        ("name", ctypes.c_char * 40),
        ("kind", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("data", ctypes.c_void_p),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        if self.columns == 0:
            return ()
        return (self.columns,) if self.rows == 0 else (self.rows, self.columns)

    @property
    def label(self) -> str:
        return self.name.decode()


class _Mode(IntEnum):
    DESCRIBE, SAVE, LOAD = range(3)


def declare(library: ctypes.CDLL) -> None:
    """Give types to what both sampler libraries export; raises for structures that differ."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    for name, result, arguments in (
        ("start", ctypes.c_int32, [pointer, pointer]),
        ("advance", ctypes.c_int32, [pointer, integer, ctypes.POINTER(Output), pointer]),
        ("state", integer, [pointer, ctypes.c_int32, pointer, integer]),
        ("place", None, [pointer, integer]),
        ("close", None, [pointer]),
        ("sizes", integer, [ctypes.c_int32]),
    ):
        function = getattr(library, f"probgen_{name}")
        function.restype, function.argtypes = result, arguments
    for which, structure in enumerate((Output, Report, Learnt, _Field)):
        if library.probgen_sizes(which) != ctypes.sizeof(structure):
            raise RuntimeError(f"{structure.__name__} differs between Python and C++")


class NativeChain:
    """Owner of one chain; all calls release the interpreter lock."""

    def __init__(self, library: ctypes.CDLL, handle: int | None, stop: int):
        """`handle` is what opening it returned, `stop` the address of the flag that stops it."""
        self._library, self._handle, self._stop = library, handle, stop

    def start(self, initial: np.ndarray) -> int:
        """Place it at `initial` (dim,); returns the outcome."""
        if self._handle is None:
            return OUT_OF_MEMORY
        initial = np.ascontiguousarray(initial, dtype=np.float64)
        return int(self._library.probgen_start(self._handle, initial.ctypes.data))

    def load(self, iteration: int, fields: Fields) -> int:
        """Place it where another one stood; raises `OptionError` for fields that do not fit."""
        if self._handle is None:
            return OUT_OF_MEMORY
        self._library.probgen_place(self._handle, iteration)
        described = self._described()
        wanted = {field.label: (_KINDS[field.kind], field.shape) for field in described}
        check_fields(wanted, fields)
        arrays = [np.ascontiguousarray(fields[field.label]) for field in described]
        refused = self._exchange(_Mode.LOAD, described, arrays)
        if refused < 0:
            refuse(described[-1 - refused].label, "a number in it is not possible there")
        return 0

    def advance(self, stretch: Stretch, index: int) -> int:
        """Make the transitions of `stretch` as chain `index`; returns the outcome."""
        return int(
            self._library.probgen_advance(
                self._handle, stretch.count, stretch.output(index), self._stop
            )
        )

    def fields(self) -> Fields:
        """Where it stands."""
        described = self._described()
        arrays = [np.empty(field.shape, dtype=_KINDS[field.kind]) for field in described]
        self._exchange(_Mode.SAVE, described, arrays)
        return {field.label: array for field, array in zip(described, arrays, strict=True)}

    def close(self) -> None:
        """Give its memory back."""
        if self._handle is not None:
            self._library.probgen_close(self._handle)
            self._handle = None

    def _described(self) -> Any:
        count = self._library.probgen_state(self._handle, _Mode.DESCRIBE, None, 0)
        described = (_Field * count)()
        self._library.probgen_state(self._handle, _Mode.DESCRIBE, described, count)
        return described

    def _exchange(self, mode: _Mode, described: Any, arrays: list[np.ndarray]) -> int:
        for field, array in zip(described, arrays, strict=True):
            field.data = array.ctypes.data
        return int(self._library.probgen_state(self._handle, mode, described, len(described)))
