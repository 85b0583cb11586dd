"""Samples by site as variables of a DataTree, in the shapes and plates of the program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from probgen.declare.program import Program
from probgen.inference.groups import whole, without_masked
from probgen.inference.pyro_results.source import by_chain
from probgen.results.tree import Variable

__all__ = ["add_predictive", "in_shape", "variables_of"]


def in_shape(program: Program | None, draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Draws in the shapes of the sites: Predictive leaves dimensions of length 1 in them."""
    fitted = {}
    for name, values in draws.items():
        site = program.sites.get(name) if program else None
        shape = (*values.shape[:2], *(site.shape if site else values.shape[2:]))
        fitted[name] = values.reshape(shape) if values.size == math.prod(shape) else values
    return fitted


def variables_of(program: Program | None, draws: Mapping[str, np.ndarray]) -> dict[str, Variable]:
    """Draws (chain, draw, ...) with the plates of their sites, where they have their shape."""
    made = {}
    for name, values in draws.items():
        site = program.sites.get(name) if program else None
        if site is None or values.shape[2:] != site.shape:
            made[name] = Variable(values)
        else:
            made[name] = Variable(whole(site, values), site.plates)
    return made


def add_predictive(
    groups: dict[str, dict[str, Variable]],
    group: str,
    samples: Mapping[str, Any] | None,
    program: Program | None,
    chains: int,
) -> None:
    """Put samples of a Predictive into the group they belong to.

    Those of the posterior stay there; observations that a mask leaves out count in no check.
    """
    if samples is None:
        return
    arrays = in_shape(program, by_chain(samples, chains if group != "prior" else 1))
    for name, variable in variables_of(program, arrays).items():
        kind = program.sites[name].kind if program and name in program.sites else ""
        if kind == "observed" and program and group != "predictions":
            variable = without_masked(variable, program.masks.get(name))
        if group == "prior":
            target = "prior_predictive" if kind == "observed" else "prior"
        else:
            target = group
            if kind != "observed" and name in groups.get("posterior", {}):
                continue
        groups.setdefault(target, {})[name] = variable
