"""Small data sets by name, in the shape that a model takes them: what `--data digits` means.

Digits are those of `_digits`, their "train" part (1200), with labels "y" for models that take
them; the ring and the grid those of `gan._points`; the moons those of `nsf`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from probgen.errors import DataError

__all__ = ["SETS", "shaped"]


def _digits(of: Callable[..., Tensor]) -> dict[str, Tensor]:
    from probgen.models import _digits as digits

    return {"x": of(digits), "y": digits.labels("train")}


def _points(name: str) -> dict[str, Tensor]:
    from probgen.models.gan import _points as points

    scale = {"ring": points.RING_SCALE, "grid": points.GRID_SCALE}[name]
    return points.part(getattr(points, name)(), scale, "train")


def _moons() -> dict[str, Tensor]:
    from probgen.models.nsf import data

    return data()


SETS: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "digits": lambda: _digits(lambda digits: digits.grey("train") / 8 - 1),
    "binary-digits": lambda: _digits(lambda digits: digits.pixels("train")),
    "ring": lambda: _points("ring"),
    "grid": lambda: _points("grid"),
    "moons": _moons,
}
"""Makers of sets: rows "x" and, of digits, labels "y". Grey lies in [-1, 1]."""


def shaped(
    name: str, shapes: Mapping[str, tuple[int, ...]], taken: list[str]
) -> dict[str, Tensor]:
    """The arguments of a model that a set has; rows get the `shapes` the model's sites have.

    Raises `DataError` where "x" has another number of entries.
    """
    found = {key: value for key, value in SETS[name]().items() if key in taken}
    if "x" not in found:
        raise DataError(f"The data {name!r} are of an argument 'x', and the model takes {taken}.")
    wanted = shapes.get("x", tuple(found["x"].shape[1:]))
    rows = found["x"]
    if rows[0].numel() != _size(wanted):
        raise DataError(
            f"The data {name!r} have {rows[0].numel()} entries a row, and the model takes "
            f"{_size(wanted)} (shape {wanted}): make one of that size, in a file of your own."
        )
    return {**found, "x": rows.reshape(len(rows), *wanted)}


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
