"""Posterior modes of densities: the highest of the climbs from several starts."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from probgen.errors import OptionError
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.optimise.modes import find_modes

__all__ = ["find_mode"]

_TOLERANCE = 1e-14
"""Nats still promised where a climb ends: 1e-7 standard deviations from the mode."""


def find_mode(density: DensityLike, plan: Plan, jacobian: bool, iterations: int) -> Draws:
    """The highest mode found from the starts of `plan`, as one draw; see `MAP`.

    The summary has `lp` (nats) there, the largest entry and the norm of the gradient, and for
    every start the log density, outcome and number of iterations.
    """
    check_plan(density, plan)
    started = time.perf_counter()
    target = density if jacobian else _without_jacobian(density)
    with np.errstate(over="ignore", invalid="ignore"):
        modes = find_modes(target, plan.initial, iterations, _TOLERANCE)
    best = modes.best
    return Draws(
        unconstrained=best.position.reshape(1, 1, -1),
        stats={"lp": np.array([[best.value]])},
        summary={
            "engine": "numpy",
            "approximation": True,
            "lp": best.value,
            "jacobian": jacobian,
            "gradient_norm": float(np.linalg.norm(best.gradient)),
            "gradient_largest": float(np.abs(best.gradient).max()),
            "converged": modes.converged,
            "heights": modes.heights,
            "outcomes": modes.outcomes,
            "iterations": modes.iterations,
            "gradient_evaluations_warmup": 0,
            "gradient_evaluations": modes.evaluations,
            "seconds_warmup": 0.0,
            "seconds_sampling": time.perf_counter() - started,
            "interrupted": False,
            "notes": modes.notes,
        },
    )


def _without_jacobian(density: Any) -> DensityLike:
    """The same program with the Jacobians of the transforms left out of its density."""
    from probgen.targets.callable_density import CallableDensity, callable_density
    from probgen.targets.density import compile_density

    program = getattr(density, "program", None)
    if program is None:
        raise OptionError("MAP(jacobian=False): only the density of a program has Jacobians.")
    program = replace(program, jacobian=False)
    if isinstance(density, CallableDensity):
        return callable_density(program)
    return compile_density(program, density.backend, density.precision, density.device)
