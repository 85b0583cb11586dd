"""Compiled densities compared with the program itself, at points where it was not traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from probgen.targets.density import Density

__all__ = ["difference", "disagreement", "disagrees", "points"]

_CHECKED_POINTS = 3
_TOLERANCE = {"float64": 1e-8, "float32": 1e-3}


def points(dim: int, count: int) -> np.ndarray:
    """Points (count, dim); the first is where programs are traced."""
    return np.random.default_rng(20).uniform(-1.5, 1.5, (count, dim))


def difference(density: Density) -> str:
    """How compiled code differs from the program at points where it was not traced."""
    others = points(density.dim, _CHECKED_POINTS + 1)[1:]
    return next(filter(None, (disagreement(density, q) for q in others)), "")


def disagrees(difference: str) -> str:
    """The reason against a compiled density that shows `difference`."""
    return (
        f"the compiled density disagrees with the program ({difference}): it probably "
        "branches in Python on random values; use torch.where"
    )


def disagreement(density: Density, q: np.ndarray) -> str:
    """What differs between compiled code and the program at `q`; empty when nothing does."""
    if density.backend == "eager":
        return ""
    tolerance = _TOLERANCE[density.precision]
    value, gradient = density.value_and_grad(q)
    expected, expected_gradient = density.eager_value_and_grad(q)
    if not np.isfinite(expected):
        return "" if not np.isfinite(value) else f"log density {value} instead of {expected}"
    if not abs(value - expected) <= tolerance * (1 + abs(expected)):
        return f"log density {value!r} instead of {expected!r}"
    # Where autograd has no derivative (0 * inf behind a torch.where) compiled code may have one.
    known = np.isfinite(expected_gradient)
    scale = 1 + np.abs(expected_gradient[known]).max(initial=0.0)
    error = np.where(known, np.abs(gradient - expected_gradient), 0.0)
    if not error.max(initial=0.0) <= tolerance * scale:
        worst = density.coordinate_names[int(np.nanargmax(np.nan_to_num(error, nan=np.inf)))]
        return f"the gradient with respect to {worst}"
    return ""
