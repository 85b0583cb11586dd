"""Sites taken apart into named scalars: theta (chain, draw, school) -> theta[Choate], ...

Part of reading a DataTree for diagnosis. Very large sites are thinned evenly, which is remarked.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

MOST_READ = 1 << 20  # values read at once from a site that may lie on disk
CONSTANT_SLACK = 16.0  # machine epsilons: diagonals of correlation matrices jitter


@dataclass(frozen=True)
class Block:
    """The scalars of one site, flattened: values (parameter, chain, draw)."""

    site: str
    names: list[str]
    values: np.ndarray
    epsilon: float


def scalar_blocks(posterior: xr.Dataset, most_scalars: int, remarks: list[str]) -> Iterator[Block]:
    """Flatten site by site; sites too large for the budget are thinned, which is remarked."""
    arrays = {}
    for name, array in posterior.data_vars.items():
        if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
            remarks.append(f"`{name}` is not numeric ({array.dtype}) and was not checked.")
        elif np.issubdtype(array.dtype, np.complexfloating):
            remarks.append(f"`{name}` is complex and was not checked.")
        elif {"chain", "draw"} <= set(array.dims):
            arrays[str(name)] = array.transpose("chain", "draw", ...)
    budget = shares({name: scalar_count(array) for name, array in arrays.items()}, most_scalars)
    for name, array in arrays.items():
        count = scalar_count(array)
        if count == 0:
            continue
        chosen = np.unique(np.linspace(0, count - 1, budget[name]).round().astype(int))
        if len(chosen) < count:
            remarks.append(
                f"`{name}` is large: {len(chosen)} of its {count} scalars were checked."
            )
        yield flatten(name, array, chosen)


def scalar_count(array: xr.DataArray) -> int:
    """Scalars of one draw."""
    return int(np.prod(array.shape[2:], dtype=int))


def shares(counts: Mapping[str, int], total: int) -> dict[str, int]:
    """How many scalars of each site to look at: small sites in full, large ones evenly cut."""
    left, result = total, {}
    ordered = sorted(counts, key=lambda name: counts[name])
    for position, name in enumerate(ordered):
        fair = max(left // (len(ordered) - position), 1)
        result[name] = min(counts[name], fair)
        left -= result[name]
    return result


def flatten(name: str, array: xr.DataArray, chosen: np.ndarray) -> Block:
    """Scalars `chosen` (positions in C order) of one site, named by their coordinates."""
    chains, draws = array.shape[:2]
    values = np.empty((len(chosen), chains, draws))
    at_once = max(1, MOST_READ // max(1, chains * scalar_count(array)))
    for first in range(0, draws, at_once):
        raw = np.asarray(array[:, first : first + at_once].values)
        flat = raw.reshape(*raw.shape[:2], -1)[:, :, chosen]
        values[:, :, first : first + at_once] = np.moveaxis(flat, 2, 0)
    is_float = np.issubdtype(array.dtype, np.floating)
    return Block(
        site=name,
        names=scalar_names(name, array, chosen),
        values=values,
        epsilon=float(np.finfo(array.dtype).eps) if is_float else 0.0,
    )


def scalar_names(name: str, array: xr.DataArray, chosen: np.ndarray) -> list[str]:
    """Names like ``theta[Choate]`` or ``L[0, 1]``, one per chosen scalar."""
    dims = array.dims[2:]
    name = name or '""'  # else nothing would be seen of it
    if not dims:
        return [name]
    labels = [labels_of(array, dim) for dim in dims]
    places = np.unravel_index(chosen, array.shape[2:])
    return [
        f"{name}[{', '.join(label[i] for label, i in zip(labels, place, strict=True))}]"
        for place in zip(*places, strict=True)
    ]


def labels_of(array: xr.DataArray, dim: Hashable) -> list[str]:
    """Coordinate values of a dimension as text, or positions where it has none."""
    if dim in array.coords:
        return [str(value) for value in array.coords[dim].values]
    return [str(position) for position in range(array.sizes[dim])]


def constant_rows(values: np.ndarray, epsilon: float) -> np.ndarray:
    """Mask (parameter,): one value throughout, up to rounding of the stored type."""
    low, high = values.min(axis=(1, 2)), values.max(axis=(1, 2))
    size = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(invalid="ignore"):
        return np.isfinite(size) & (high - low <= CONSTANT_SLACK * epsilon * size)
