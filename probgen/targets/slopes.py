"""Whether the gradient of a density is its slope: what compiled code is by construction.

A density that is a run of the program, or a callable of the user's with a gradient of its own,
may have a gradient of something else: a `.detach()`, a `.item()`, a sign. Samplers then get
nowhere.
"""

from __future__ import annotations

import numpy as np

from probgen.targets.density import Density

__all__ = ["notes_on_slopes", "wrong_slopes"]

_STEP = 1e-5
_TOLERANCE = 1e-3
_COMPARED_POINTS, _COMPARED_SITES = 3, 12  # a site costs two evaluations a point


def wrong_slopes(density: Density, points: np.ndarray) -> dict[str, tuple[float, float]]:
    """Sites whose gradient is not the slope: name to (slope by differences, by the gradient).

    `points` (n, dim) are unconstrained; a site is named when most of the first of them differ.
    """
    rows = np.atleast_2d(points)[:_COMPARED_POINTS]
    gradients = [density.value_and_grad(row)[1] for row in rows]
    found = {}
    for name, places in list(_places(density).items())[:_COMPARED_SITES]:
        pairs = [
            (_difference(density, row, places), float(gradient[places].sum()))
            for row, gradient in zip(rows, gradients, strict=True)
        ]
        pairs = [pair for pair in pairs if np.isfinite(pair).all()]
        wrong = [pair for pair in pairs if _differ(*pair)]
        if len(wrong) > len(pairs) / 2:
            found[name] = wrong[0]
    return found


def notes_on_slopes(density: Density, points: np.ndarray) -> list[str]:
    """A sentence for every site whose gradient is not the slope of the density."""
    own = density.backend == "callable"
    cure = (
        "Look at the gradient that the function returns, or declare it with gradient='numeric'."
        if own
        else "Let no .detach(), .item(), numpy or torch.no_grad stand between the site and the "
        "density."
    )
    return [
        f"The gradient with respect to site {name!r} is wrong: the log density changes with "
        f"slope {measured:.4g}, the gradient says {computed:.4g}, so that samplers get nowhere. "
        f"{cure}"
        for name, (measured, computed) in wrong_slopes(density, points).items()
    ]


def _places(density: Density) -> dict[str, np.ndarray]:
    """The coordinates of every site."""
    split = density.split(np.arange(density.dim, dtype=np.float64))
    return {name: np.ravel(part).astype(int) for name, part in split.items() if part.size}


def _difference(density: Density, q: np.ndarray, places: np.ndarray) -> float:
    ends = []
    for sign in (1.0, -1.0):
        moved = np.array(q, dtype=np.float64)
        moved[places] += sign * _STEP
        ends.append(density.value_and_grad(moved)[0])
    with np.errstate(invalid="ignore"):
        return float((ends[0] - ends[1]) / (2 * _STEP))


def _differ(measured: float, computed: float) -> bool:
    return abs(measured - computed) > _TOLERANCE * (1.0 + abs(measured) + abs(computed))
