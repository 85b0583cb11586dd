"""Named arrays with notes as the bytes of a safetensors file that knows its own checksum.

Nothing that is read back can run code: the format holds numbers and texts only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from probgen.errors import StoreError

__all__ = ["pack", "unpack"]

_DIGEST = "sha256"


def pack(arrays: Mapping[str, np.ndarray], notes: Mapping[str, str]) -> bytes:
    """The file's bytes; `notes` are texts by name."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # ascontiguousarray gives scalars an axis
    shaped = {name: array.reshape(arrays[name].shape) for name, array in whole.items()}
    return save(shaped, {**notes, _DIGEST: _digest(shaped, notes)})


def unpack(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and notes of a file; raises `StoreError` when it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            notes = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path} cannot be read: it is damaged or missing ({error}).") from error
    expected = notes.pop(_DIGEST, "")
    if _digest(arrays, notes) != expected:
        raise StoreError(f"{path} is damaged: its checksum is not that of its content.")
    return arrays, notes


def _digest(arrays: Mapping[str, np.ndarray], notes: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{array.dtype}{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    for name in sorted(notes):
        digest.update(f"{name}={notes[name]};".encode())
    return digest.hexdigest()
