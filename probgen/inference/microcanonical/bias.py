"""What an energy error stands for: the bias of unadjusted draws, in words.

A step of size e leaves a stationary density whose second moments are off by O(e^2), and has an
energy error of variance O(e^6): the bias is the cube root of that variance, times a constant.
The constants bound what a Gaussian of 2 to 50 coordinates shows, whatever its scales.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.method import Draws

__all__ = ["gaussian_bias", "notes_on_bias"]

_CONSTANTS = {"mclachlan": 0.3, "leapfrog": 0.45}
_MUCH = 2.0
"""Measured over wanted variance from which it is said that it is too large."""


def gaussian_bias(energy_error: float, integrator: str) -> float:
    """Relative error of a Gaussian's variances, from a step's energy error per coordinate.

    `energy_error` is the variance of a step's energy error divided by the number of
    coordinates, in nats squared.
    """
    beyond = 1 + 25 * energy_error  # large steps are worse than the law, which is for small ones
    return _CONSTANTS[integrator] * float(np.cbrt(energy_error)) * beyond


def notes_on_bias(result: Draws, integrator: str, target: float | None) -> list[str]:
    """Sentences on the bias of unadjusted draws, from the energy errors of their steps.

    `target` is the variance aimed at, None where the step size was given.
    """
    if result.summary["gradient_evaluations"] == 0:
        return []
    measured = float(np.mean(result.summary["energy_error_variance"]))
    aimed = "" if target is None else f" (aimed at: {target:.2g})"
    notes = [
        "The draws are unadjusted: no step was rejected for its energy error, whose variance was "
        f"{measured:.2g} per coordinate{aimed}. On a Gaussian posterior that stands for variances "
        f"wrong by up to {100 * gaussian_bias(measured, integrator):.2g} %; on others it may be "
        "more. A smaller target_energy_error lowers the bias; MAMS and NUTS have none."
    ]
    if target is not None and measured > _MUCH * target:
        notes.append(
            f"The energy error was {measured / target:.2g} times what was aimed at: some regions "
            "need smaller steps than most, and are sampled worst. Lower target_energy_error, or "
            "take MAMS or NUTS."
        )
    return notes
