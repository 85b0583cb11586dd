"""Nested states (mappings, lists, tensors, numbers) as one flat set of tensors and JSON text.

What a training has to keep is written without pickle: tensors by path, such as
"players/machine/weights.0", and all else as JSON in which a tensor's place is its path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import StoreError
from probgen.results.store.tensors import pack, unpack

__all__ = ["pack_nested", "unpack_nested"]

_TENSOR, _TUPLE, _PAIRS = "$tensor", "$tuple", "$pairs"


def pack_nested(state: Any, notes: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file with a checksum."""
    tensors: dict[str, Tensor] = {}
    shape = _flatten(state, "", tensors)
    kinds = {name: str(t.dtype).removeprefix("torch.") for name, t in tensors.items()}
    arrays = {name: _array(tensor) for name, tensor in tensors.items()}
    text = {"state": json.dumps(shape), "dtypes": json.dumps(kinds)}
    return pack(arrays, {**(notes or {}), **text})


def unpack_nested(path: Path) -> tuple[Any, dict[str, str]]:
    """State and notes of a file; raises `StoreError` when it is damaged or of another kind."""
    arrays, notes = unpack(path)
    try:
        shape, kinds = json.loads(notes.pop("state")), json.loads(notes.pop("dtypes"))
        tensors = {name: _tensor(array, kinds[name]) for name, array in arrays.items()}
        return _restore(shape, tensors), notes
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} holds no state of a training ({error!r}).") from error


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value
        return {_TENSOR: path}
    if isinstance(value, np.ndarray):
        return _flatten(torch.from_numpy(value.copy()), path, tensors)
    if isinstance(value, Mapping):
        below = [
            (k, _flatten(v, f"{path}/{k}" if path else str(k), tensors)) for k, v in value.items()
        ]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in below):
            return dict(below)
        return {_PAIRS: [[_flatten(key, "", {}), item] for key, item in below]}
    if isinstance(value, (list, tuple)):
        items = [_flatten(item, f"{path}/{k}", tensors) for k, item in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise StoreError(
        f"{path or 'The state'} is a {type(value).__name__}, which a checkpoint cannot hold: "
        "states are made of tensors, numbers, texts, lists and mappings."
    )


def _restore(shape: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(shape, list):
        return [_restore(item, tensors) for item in shape]
    if not isinstance(shape, dict):
        return shape
    if _TENSOR in shape:
        return tensors[shape[_TENSOR]]
    if _TUPLE in shape:
        return tuple(_restore(item, tensors) for item in shape[_TUPLE])
    if _PAIRS in shape:
        return {_restore(key, {}): _restore(item, tensors) for key, item in shape[_PAIRS]}
    return {key: _restore(item, tensors) for key, item in shape.items()}


def _array(tensor: Tensor) -> np.ndarray:
    whole = tensor.detach().cpu().contiguous()
    if whole.dtype == torch.bfloat16:  # which NumPy does not have
        whole = whole.view(torch.int16)
    return whole.numpy()


def _tensor(array: np.ndarray, kind: str) -> Tensor:
    tensor = torch.from_numpy(array.copy())
    return tensor.view(torch.bfloat16) if kind == "bfloat16" else tensor
