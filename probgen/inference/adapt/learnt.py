"""What warm-up has learnt, as arrays with one row per chain that a later run can go on from.

Shapes are fixed by the settings alone, so that results can be stored and chains stacked: what a
chain does not use (further directions, a dense factor not learnt yet) holds zeros.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from probgen.errors import OptionError
from probgen.inference.adapt.directions import direction_rows
from probgen.inference.adapt.settings import DENSE, Learnt, Settings
from probgen.inference.method import Plan

__all__ = ["addresses", "continued", "empty_adaptation"]

_GOLDEN = 0x9E3779B97F4A7C15


def empty_adaptation(settings: Settings, chains: int) -> dict[str, np.ndarray]:
    """Arrays of zeros for what the chains will have learnt.

    `position` (chain, dim), `step_size` (chain,), `scale` (chain, dim): the diagonal of the
    metric's factor; `directions` (chain, row, dim) with `eigenvalues` (chain, row) unless the
    metric is diagonal; `factor` (chain, dim, dim) of a dense metric; `runs` (chain,): how many
    runs went into it, this one included.
    """
    dim = int(settings.dim)
    rows = direction_rows(settings, dim)
    shapes: dict[str, tuple[int, ...]] = {"position": (dim,), "step_size": (), "scale": (dim,)}
    if rows:
        shapes |= {"directions": (rows, dim), "eigenvalues": (rows,)}
    if settings.metric == DENSE:
        shapes["factor"] = (dim, dim)
    arrays = {name: np.zeros((chains, *shape)) for name, shape in shapes.items()}
    return {**arrays, "runs": np.zeros(chains, dtype=np.int64)}


def continued(
    plan: Plan, given: Mapping[str, np.ndarray], settings: Settings, method: str
) -> Plan:
    """The plan that goes on where an earlier run ended, with copies of what it had learnt.

    The seed is mixed with the number of runs before: with the very same random numbers, a
    contracting sampler would soon retrace the earlier run's draws. Raises `OptionError` when
    the arrays are not those of this method, metric and number of coordinates.
    """
    learnt = empty_adaptation(settings, plan.chains)
    shapes = {name: array.shape for name, array in learnt.items()}
    misfits = [n for n in (*shapes, *given) if shapes.get(n) != np.shape(given.get(n, math.nan))]
    misfits += [name for name in shapes if name not in given]
    if misfits:
        name = misfits[0]
        raise OptionError(
            f"adapted: that run learnt {', '.join(sorted(given))}, and {method} needs "
            f"{', '.join(sorted(shapes))}: {name!r} does not fit. Use the result of a run with "
            "the same metric on the same model."
        )
    for name, array in learnt.items():
        array[...] = given[name]
    steps, scale = learnt["step_size"], learnt["scale"]
    if not ((steps > 0) & np.isfinite(steps)).all() or not (scale > 0).all():
        raise OptionError(f"adapted: a step size or scale in it is no positive number ({method}).")
    runs = int(learnt["runs"].max())
    seed = (plan.seed + runs * _GOLDEN) % 2**64
    return replace(plan, initial=learnt["position"].copy(), seed=seed, adaptation=learnt)


def addresses(learnt: Mapping[str, np.ndarray], chain: int) -> Learnt:
    """Where one chain's rows lie, for native code."""

    def address(name: str) -> int | None:
        return learnt[name][chain : chain + 1].ctypes.data if name in learnt else None

    names = [name for name, kind in Learnt._fields_ if kind is ctypes.c_void_p]
    rows = learnt["eigenvalues"].shape[1] if "eigenvalues" in learnt else 0
    return Learnt(*(address(name) for name in names), rows)
