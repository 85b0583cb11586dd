"""Values of the sites of a Boltzmann machine: read, checked against the units' domain.

Whoever takes data from outside (fitting, sampling, likelihoods) calls `read_values` once; what
happens inside works on states and checks nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import DataError
from probgen.nets.boltzmann.units import Units

if TYPE_CHECKING:
    from probgen.nets.boltzmann.layers import Layered

__all__ = ["check_values", "read_values"]

_CURES = {
    "bernoulli": "Binarise the data, for instance (x > x.mean()), or declare Gaussian units.",
    "categorical": "Number the states from 0, or declare as many states as there are.",
    "gaussian": "Remove or standardise what is not finite.",
}


def read_values(
    machine: Layered, data: Mapping[str, Any], *, missing: bool = False
) -> dict[str, Tensor]:
    """The values of sites as tensors (case, size) on the machine's device, checked.

    Args:
        machine: whose sites.
        data: values by site name: tensors, arrays, lists, data frames; (case, size), or (case,)
            of a site with one unit.
        missing: whether NaN may stand for unknown values. Optional units always may be NaN.

    Real numbers take the machine's precision; discrete values without NaN that came as integers
    or truth values stay integers (int64).

    Raises `DataError` that names the site, what is wrong with how many of its values, and the
    cure: unknown sites, wrong widths, no cases, different numbers of cases, values outside the
    domain, NaN.
    """
    units = {block.name: block for layer in machine.layers for block in layer}
    if not data:
        raise DataError(f"No data: give values of {', '.join(map(repr, units))}.")
    values = {}
    for name, given in data.items():
        if name not in units:
            raise DataError(_unknown(name, units))
        values[name] = check_values(units[name], given, missing=missing).to(machine.device)
    cases = {name: len(value) for name, value in values.items()}
    if len(set(cases.values())) > 1:
        raise DataError(f"The sites have different numbers of cases: {cases}.")
    dtype = machine.dtype
    return {n: v.to(dtype) if v.is_floating_point() else v for n, v in values.items()}


def check_values(units: Units, given: Any, *, missing: bool = False) -> Tensor:
    """One site's values as a tensor (case, size): floats, or int64. See `read_values`."""
    values = _tensor(units, given)
    if values.ndim == 1 and units.size == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[-1] != units.size:
        raise DataError(
            f"{units.name!r} has shape {tuple(values.shape)}; its {units.size} units take "
            f"(cases, {units.size}).{_flattened(units, values)}"
        )
    if not len(values):
        raise DataError(f"{units.name!r} is empty: there must be at least one case.")
    if values.is_floating_point():
        _check_missing(units, values, missing or units.optional)
    _check_domain(units, values)
    return values


def _tensor(units: Units, given: Any) -> Tensor:
    if isinstance(given, Tensor):
        values = given.detach()
    else:
        given = given.to_numpy() if hasattr(given, "to_numpy") else given
        try:
            values = torch.from_numpy(np.require(given, requirements=("C", "W")))
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{units.name!r} holds no numbers: {error}") from error
    if values.is_complex():
        raise DataError(f"{units.name!r} holds complex numbers; units take real ones.")
    if values.is_floating_point():
        return values
    return values.double() if units.kind == "gaussian" else values.long()


def _flattened(units: Units, values: Tensor) -> str:
    if values.ndim > 2 and values[0].numel() == units.size:
        return f" Flatten it: {units.name}.reshape(len({units.name}), -1)."
    return ""


def _check_missing(units: Units, values: Tensor, allowed: bool) -> None:
    unknown = values.isnan()
    if unknown.any() and not allowed:
        raise DataError(
            f"{units.name!r}: {_count(unknown)} NaN. Remove or fill in the cases, or sample the "
            "missing units given the others (infer takes NaN for them)."
        )


def _check_domain(units: Units, values: Tensor) -> None:
    if units.kind == "gaussian":
        wrong, domain = values.isinf(), "finite numbers"
    elif units.kind == "bernoulli":
        wrong, domain = (values != 0) & (values != 1), "0 or 1"
    else:
        wrong = (values < 0) | (values >= units.states) | (values != values.floor())
        domain = f"state numbers 0 to {units.states - 1}"
    if values.is_floating_point():
        wrong = wrong & ~values.isnan()
    if wrong.any():
        case, unit = (int(i) for i in wrong.nonzero()[0])
        raise DataError(
            f"{units.name!r}: {_count(wrong)} are not {domain}, such as "
            f"{units.name}[{case}, {unit}] = {values[case, unit].item():g} (range "
            f"{_range(values)}). {_CURES[units.kind]}"
        )


def _count(wrong: Tensor) -> str:
    return f"{int(wrong.sum())} of {wrong.numel()} values"


def _range(values: Tensor) -> str:
    known = values[~values.isnan()] if values.is_floating_point() else values
    return f"{known.min().item():g} to {known.max().item():g}"


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"The machine has no site {name!r}.{hint} Its sites: {', '.join(map(repr, known))}."
