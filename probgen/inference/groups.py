"""The groups of a DataTree that follow from a program: at draws of it, and of its data."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch

from probgen.declare.program import Program, Site
from probgen.results.labels import constant_plates
from probgen.results.tree import Variable
from probgen.targets.density import Density
from probgen.targets.discrete import Rows, recovered_outputs

__all__ = [
    "constant_data",
    "data_groups",
    "sampled_groups",
    "whole",
    "without_masked",
]


def sampled_groups(
    density: Density,
    unconstrained: np.ndarray,
    log_likelihood: bool,
    seed: int,
    first: int = 0,
    log_prior: bool = True,
    shared: bool = False,
) -> dict[str, dict[str, Variable]]:
    """Everything a program computes at draws in unconstrained space, of shape (chain, draw, dim).

    The groups are posterior (deterministic sites and recovered discrete ones among them),
    log_likelihood (empty unless asked for; nats, one value per observation), log_prior (nats)
    and unconstrained_posterior. `seed` draws the discrete sites; `first` is the number of the
    first draw, so that pieces of a run have the values of the whole. With `shared`, sites that
    are unconstrained as they are have one array in both groups.
    """
    chains, draws, dim = unconstrained.shape
    unwanted = {"log_likelihood:": not log_likelihood, "log_prior:": not log_prior}
    without = tuple(kind for kind, left_out in unwanted.items() if left_out)
    flat = unconstrained.reshape(chains * draws, dim)
    outputs = density.outputs(flat, without) | recovered_outputs(
        density, flat, seed, Rows(max(draws, 1), first)
    )
    groups: dict[str, dict[str, Variable]] = {
        "posterior": {},
        "log_likelihood": {},
        "log_prior": {},
        "unconstrained_posterior": {},
    }
    masks = density.program.masks if log_likelihood else {}
    for key, values in outputs.items():
        kind, name = key.split(":", 1)
        group = "posterior" if kind in ("latent", "deterministic") else kind
        shaped = values.reshape(chains, draws, *values.shape[1:])
        site = density.program.sites.get(name)
        rank = len(site.shape) if site and shaped.ndim - 2 < len(site.shape) else None
        variable = Variable(shaped, density.program.plates_of(kind, name), rank=rank)
        if kind == "log_likelihood":
            variable = without_masked(variable, masks.get(name))
        groups[group][name] = variable
    for name, values in density.split(unconstrained).items():
        site = density.program.sites[name]
        same = site.unconstrained_shape == site.shape
        if shared and site.support == "real":
            values = groups["posterior"][name].values
        groups["unconstrained_posterior"][name] = Variable(
            values, site.plates if same else (), rank=None if same else 0
        )
    return groups


def data_groups(program: Program) -> dict[str, dict[str, Variable]]:
    """What a program was given: values of its observed sites, and its other numeric data.

    An argument that some site observed as it is counts as that site, under whatever name.
    """
    observed = {}
    for name, value in program.observed.items():
        site = program.sites[name]
        variable = Variable(value.numpy(), site.plates, sampled=False)
        variable = without_masked(variable, program.masks.get(name))
        observed[name] = replace(variable, values=whole(site, variable.values))
    return {"observed_data": observed, "constant_data": constant_data(program)}


def constant_data(program: Program) -> dict[str, Variable]:
    """The numeric data of a program that no site observes, with the plates they stand along."""
    plates = [_plate_sizes(site) for site in program.sites.values() if site.kind == "observed"]
    constant = {}
    for name, value in program.data.items():
        if name in program.observed or isinstance(value, (str, type(None))):
            continue
        array = np.asarray(value)
        if array.dtype.kind in "fiub" and not _is_observed(array, program):
            constant[name] = Variable(array, constant_plates(array.shape, plates), sampled=False)
    return constant


def without_masked(variable: Variable, mask: torch.Tensor | None) -> Variable:
    """A variable of an observed site without the entries that do not count.

    ArviZ knows no masks: a log likelihood of zero would be an observation to it.
    """
    lead = len(variable.lead)
    shape = variable.values.shape
    if mask is None or shape[lead : lead + mask.dim()] != mask.shape:
        return variable
    numbers = np.flatnonzero(mask.numpy())
    flat = variable.values.reshape(*shape[:lead], mask.numel(), *shape[lead + mask.dim() :])
    values = np.take(flat, numbers, axis=lead)
    return replace(variable, values=values, plates=variable.plates[: mask.dim()], kept=numbers)


def whole(site: Site, values: np.ndarray) -> np.ndarray:
    """Values of a site with a discrete support as integers, unless some are missing.

    ArviZ tells counts from measurements by their type.
    """
    if not site.discrete or values.dtype.kind != "f":
        return values
    integers = values.astype(np.int64) if np.isfinite(values).all() else None
    return values if integers is None or (integers != values).any() else integers


def _plate_sizes(site: Site) -> dict[str, int]:
    """Plates and sizes of the leading dimensions of a site, as far as they have plates."""
    named = zip(site.plates, site.shape, strict=False)
    return {
        plate: size for plate, size in itertools.takewhile(lambda pair: pair[0], named) if plate
    }


def _is_observed(array: np.ndarray, program: Program) -> bool:
    return array.ndim > 0 and any(
        np.array_equal(array, value.numpy(), equal_nan=array.dtype.kind == "f")
        for value in program.observed.values()
    )
