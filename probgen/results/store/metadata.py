"""The metadata documents of the Zarr v3 format, as far as a store of draws needs them.

Arrays are uncompressed, little endian, in C order. Those that grow have the dimensions (chain,
draw, ...), and a chunk holds some draws of all chains; all others are one chunk. Source: the
Zarr core specification, version 3.0 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from probgen.errors import StoreError

__all__ = ["COORDINATES", "GROWING", "PLACES", "ArraySpec", "array_of", "group_document"]

COORDINATES = "coordinates"
"""The attribute of a group that names its coordinates beside indexes (CF conventions)."""
GROWING = "draw"
"""The dimension along which arrays grow."""
PLACES = (("default", "."), ("v2", "."))
"""Of arrays that are replaced: they are written at the other place, so that readers see all of
the new values or all of the old."""

_TEXT = "fixed_length_utf32"
_NUMBERS = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
]


@dataclass(frozen=True)
class ArraySpec:
    """One array: its dimensions, type, present shape, and how many draws a chunk holds."""

    dims: tuple[str, ...]
    dtype: np.dtype
    shape: tuple[int, ...]
    chunk: int
    attrs: Mapping[str, Any] = field(default_factory=dict)
    place: tuple[str, str] = ("default", "/")
    """How its chunks are named: an encoding of the format, and what separates the numbers."""

    @property
    def axis(self) -> int | None:
        """The axis along which it grows, None if it does not."""
        return self.dims.index(GROWING) if GROWING in self.dims else None

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of every chunk; the last one is padded to it."""
        shape = [max(size, 1) for size in self.shape]
        if self.axis is not None:
            shape[self.axis] = self.chunk
        return tuple(shape)

    @property
    def chunk_bytes(self) -> int:
        """Size of every chunk's file."""
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    def chunk_file(self, number: int) -> str:
        """Where chunk `number` along the growing axis lies, below the array's directory."""
        keys = [str(number if axis == self.axis else 0) for axis in range(len(self.shape))]
        encoding, separator = self.place
        return separator.join(["c", *keys] if encoding == "default" else keys)

    def document(self) -> dict[str, Any]:
        """What `zarr.json` says of it."""
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": _type_document(self.dtype),
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(self.chunk_shape)},
            },
            "chunk_key_encoding": {
                "name": self.place[0],
                "configuration": {"separator": self.place[1]},
            },
            "fill_value": _fill_value(self.dtype),
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "attributes": dict(self.attrs),
            "dimension_names": list(self.dims),
        }


def array_of(document: Mapping[str, Any]) -> ArraySpec:
    """The array that a document describes; raises `StoreError` for any that is not ours."""
    try:
        codecs = [codec["name"] for codec in document["codecs"]]
        dims = tuple(document["dimension_names"])
        shape = tuple(int(size) for size in document["shape"])
        chunks = document["chunk_grid"]["configuration"]["chunk_shape"]
        dtype = _dtype_of(document["data_type"])
        if codecs != ["bytes"] or len(dims) != len(shape) or min(shape, default=0) < 0:
            raise ValueError(f"codecs {codecs}, shape {shape}")
        chunk = int(chunks[dims.index(GROWING)]) if GROWING in dims else 1
        naming = document["chunk_key_encoding"]
        place = (naming["name"], naming["configuration"]["separator"])
        found = ArraySpec(dims, dtype, shape, chunk, dict(document["attributes"]), place)
        if place not in (("default", "/"), *PLACES):
            raise ValueError(f"chunks named by {place}")
        if list(found.chunk_shape) != list(chunks) or chunk < 1:
            raise ValueError(f"chunks of shape {chunks}")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError(f"an array in it is not as probgen writes them ({error!r})") from error
    return found


def group_document(
    attrs: Mapping[str, Any], below: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """What `zarr.json` says of a group; `below` are the documents of all nodes in it, by path."""
    document: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs)}
    if below is not None:
        document["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": dict(below),
        }
    return document


def _type_document(dtype: np.dtype) -> Any:
    if dtype.kind == "U":
        return {"name": _TEXT, "configuration": {"length_bytes": dtype.itemsize}}
    if dtype.name not in _NUMBERS:
        raise StoreError(f"Values of type {dtype} cannot be stored; give numbers or texts.")
    return dtype.name


def _dtype_of(document: Any) -> np.dtype:
    if isinstance(document, str) and document in _NUMBERS:
        return np.dtype(document).newbyteorder("<")
    if isinstance(document, Mapping) and document["name"] == _TEXT:
        return np.dtype(f"<U{int(document['configuration']['length_bytes']) // 4}")
    raise ValueError(f"values of type {document}")


def _fill_value(dtype: np.dtype) -> Any:
    return {"f": "NaN", "b": False, "U": ""}.get(dtype.kind, 0)
