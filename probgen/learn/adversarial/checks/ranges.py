"""Data held against what a program computes: the range of tanh and of sigmoid, and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from probgen.errors import DataError, ModelError
from probgen.learn.adversarial.sides import Draw, Sides, is_there

if TYPE_CHECKING:
    from probgen.learn.adversarial.method import Adversarial
    from probgen.learn.training.information import DataInfo

__all__ = ["check_labels", "check_range"]

_RANGES = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}
_PASSED = (  # operations that move values and leave them as they are
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Expand", "Unsqueeze", "Squeeze",
    "Transpose", "Permute", "Clone", "ToCopy", "T",
)  # fmt: skip
_ROWS = 1000  # looked at


def check_range(sides: Sides, draw: Draw, info: DataInfo) -> list[str]:
    """Raise `DataError` for data that a site can never draw; notes for a range half used."""
    notes = []
    found: dict[str, Tensor] | None = None
    for name in sides.sites:
        message = draw.fake.get(name)
        last = "" if message is None else _last(message["value"])
        if last not in _RANGES:
            continue
        found = info.sample(min(_ROWS, info.rows)) if found is None else found
        value = found.get(name)
        if value is None:
            continue
        low, high = _RANGES[last]
        least, most = float(value.min()), float(value.max())
        if least < low or most > high:
            raise DataError(
                f"data[{name!r}] are between {least:g} and {most:g}, and the program draws the "
                f"site {name!r} by {last.lower()}, between {low:g} and {high:g}: "
                f"{_cure(least, most, low)}."
            )
        if last == "Tanh" and least >= 0 and most > 0:
            notes.append(
                f"data[{name!r}] are between {least:g} and {most:g}, and the program draws "
                f"{name!r} by tanh, between -1 and 1: 2 * x - 1 would use the whole range."
            )
    return notes


def check_labels(method: Adversarial, sides: Sides, info: DataInfo) -> None:
    """Raise `ModelError` for a site compared whose data lack values in some rows."""
    both = set(method.unlabelled) & set(sides.sites)
    for batch in info.batches() if both else ():
        for name in both & set(batch):
            if not bool(is_there(batch[name]).all()):
                raise ModelError(
                    f"The site {name!r} is compared by the critic, and some rows of the data have "
                    "no value of it (-1 or NaN): leave it out of sites, where codes are enough."
                )


def _last(value: Any) -> str:
    """The operation that made a tensor, without what only moved its entries."""
    node = value.grad_fn if isinstance(value, Tensor) else None
    while node is not None:
        name = type(node).__name__.partition("Backward")[0]
        if name not in _PASSED:
            return name
        node = node.next_functions[0][0]
    return ""


def _cure(least: float, most: float, low: float) -> str:
    if least >= 0:
        top = next((top for top in (1, 16, 255, 65535) if most <= top), most)
        return f"give x / {top / 2:g} - 1" if low else f"give x / {top:g}"
    return "scale the data to that range, or leave that function out of the generator"
