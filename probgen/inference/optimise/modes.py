"""The highest of several climbs, and what can be said when there is no mode to find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.errors import InitialisationError, SamplingError
from probgen.inference.method import DensityLike
from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.lbfgs import Ascent
from probgen.inference.optimise.objective import Objective, Place

__all__ = ["SAME_HEIGHT", "Modes", "find_modes"]

SAME_HEIGHT = 0.01
"""Maxima whose log densities differ by less (nats) are taken for one."""
_STEEP = 1e-3
"""A climb that ends where this many nats are still promised has not arrived at a mode."""


@dataclass(frozen=True)
class Modes:
    """Where the climbs from all starts ended; `best` is the highest that did not run away."""

    best: Place
    curvature: Curvature
    converged: bool
    """Whether the gradient vanishes at the best; it need not at a kink or an edge."""
    heights: list[float]
    """Log density (nats) where every climb ended."""
    outcomes: list[str]
    iterations: list[int]
    evaluations: int
    notes: list[str]


def find_modes(
    density: DensityLike, starts: np.ndarray, iterations: int, tolerance: float = 1e-10
) -> Modes:
    """Climb from every row of `starts` (n, dim); KeyboardInterrupt passes through.

    Raises `InitialisationError` for a start without a finite density, and `SamplingError`
    naming the coordinates along which the log density grows without bound if no climb arrived.
    """
    objective = Objective(density)
    climbs = []
    for index, start in enumerate(starts):
        climb = Ascent(objective, start, iterations=iterations, tolerance=tolerance)
        if not climb.place.finite:
            raise InitialisationError(
                f"Start {index} has no finite log density or gradient. Give other starting "
                "values (init), or run `check` on the model."
            )
        climbs.append(climb.run())
    ended = [climb for climb in climbs if _ended(climb)]
    if not ended:
        raise SamplingError(_no_mode(climbs, density.coordinate_names))
    best = max(ended, key=lambda climb: climb.place.value)
    notes = _notes(climbs, best, density.coordinate_names)
    return Modes(
        best=best.place,
        curvature=best.curvature,
        converged=_arrived(best),
        heights=[climb.place.value for climb in climbs],
        outcomes=["converged" if _arrived(climb) else climb.outcome for climb in climbs],
        iterations=[climb.iterations for climb in climbs],
        notes=notes + _notes_on_twins(objective, climbs, best),
        evaluations=objective.evaluations,
    )


def _arrived(climb: Ascent) -> bool:
    """Whether it stands where the gradient vanishes, up to rounding."""
    if climb.outcome != "stuck" or climb.curvature.pairs == 0:
        return climb.outcome == "converged"
    return climb.promised < max(_STEEP, climb.objective.noise * abs(climb.place.value))


def _ended(climb: Ascent) -> bool:
    """Whether it stands where no step rises any more: a maximum, a kink, an edge."""
    return climb.outcome in ("converged", "stuck")


def _no_mode(climbs: list[Ascent], names: list[str]) -> str:
    climb = max(climbs, key=lambda climb: climb.place.value)
    return (
        f"No mode was found: after {climb.iterations} iterations the log density is "
        f"{climb.place.value:.6g} and still rises, mostly along {_rising(climb, names)}. It "
        "probably grows without bound, as under a hierarchical scale whose effects shrink to zero "
        "with it: write the effects in non-centred form, give the scale a prior that keeps it "
        "from zero, or sample with NUTS(). If there is a mode, raise max_iterations or start "
        "nearer to it (init)."
    )


def _rising(climb: Ascent, names: list[str]) -> str:
    """The coordinates that went furthest in the late part of a climb, with their values."""
    drift = climb.drift
    chosen = [i for i in np.argsort(-drift)[:2] if drift[i] >= 0.5 * drift.max()]
    return " and ".join(
        f"{names[i]} (now {climb.place.position[i]:.4g} on the unconstrained scale)"
        for i in chosen
    )


def _notes(climbs: list[Ascent], best: Ascent, names: list[str]) -> list[str]:
    notes = []
    if not _arrived(best):
        largest = int(np.abs(best.place.gradient).argmax())
        notes.append(
            "No step from the mode reported rises, yet the gradient does not vanish there (it is "
            f"{best.place.gradient[largest]:.3g} along {names[largest]}): the log density has a "
            "kink or an edge, and the mode is approximate."
        )
    lost = [climb for climb in climbs if not _ended(climb)]
    if lost:
        worst = max(lost, key=lambda climb: climb.place.value)
        notes.append(
            f"{len(lost)} of {len(climbs)} starts led to no mode: from there the log density "
            f"kept rising, mostly along {_rising(worst, names)}. The mode reported is a local one."
        )
    heights = np.sort([climb.place.value for climb in climbs if _arrived(climb)])
    count = 1 + int((np.diff(heights) > SAME_HEIGHT).sum())
    if count > 1:
        notes.append(
            f"{len(heights)} starts found {count} different modes (log densities "
            f"{heights[0]:.6g} to {heights[-1]:.6g}); the highest is reported, and there may be "
            "higher ones: try more starts (chains=...)."
        )
    return notes


def _notes_on_twins(objective: Objective, climbs: list[Ascent], best: Ascent) -> list[str]:
    """Modes of the same height as the best, with lower ground half way to them."""
    twins = 0
    for climb in climbs:
        if climb is best or not _arrived(climb):
            continue
        level = min(climb.place.value, best.place.value)
        if best.place.value - level <= SAME_HEIGHT:
            halfway = objective(0.5 * (climb.place.position + best.place.position))
            twins += not halfway.value >= level - SAME_HEIGHT
    if not twins:
        return []
    return [
        f"{twins} of {len(climbs)} starts ended at other modes of the same height: the posterior "
        "has a symmetry, such as labels that can be swapped, and one mode stands for all."
    ]
