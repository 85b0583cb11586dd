"""The dry run of a Boltzmann machine: are its parameters numbers, do the data fit, what serves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from probgen.declare.checks.problem import Problem
from probgen.declare.checks.report import CheckReport
from probgen.errors import DataError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.boltzmann.values import read_values

__all__ = ["check_machine"]

_LISTED = 5
_APART = 100.0
"""A variance of the data this many times the units', or less by as much, is worth a warning."""
_COUNTABLE = 20.0
"""Bits of a layer whose states can be summed over, for the exact log Z."""


def check_machine(machine: BoltzmannMachine, data: Mapping[str, Any] | None) -> CheckReport:
    """What is wrong with a machine or its data is listed, not raised.

    NaN in the data stands for missing values, which are sampled.
    """
    report = CheckReport(type(machine).__name__, remarks=[f"{machine!r}."])
    for name, parameter in machine.named_parameters():
        wrong = int((~torch.isfinite(parameter)).sum())
        if wrong:
            said = f"{wrong} of {parameter.numel()} values of {name} are NaN or infinite."
            cure = "Learning has diverged: load an earlier checkpoint, lower the learning rate."
            report.problems.append(Problem("error", None, said, cure))
    if data:
        try:
            values = read_values(machine, data, missing=True)
        except DataError as raised:
            report.problems.append(Problem("error", None, str(raised), "", "data"))
        else:
            _look_at(machine, values, report)
    if report.ok:
        report.remarks += _what_serves(machine)
    return report


def _look_at(machine: BoltzmannMachine, values: Mapping[str, Tensor], report: CheckReport) -> None:
    """Warn of data that fit, but that will hardly be learned."""
    variances = machine.variances(0)
    start = 0
    for units in machine.layers[0]:
        value = values.get(units.name)
        if value is not None and len(value) > 1:
            _constant(units, value, report)
            if variances is not None and units.kind == "gaussian":
                _scale(units, value, variances[start : start + units.size].detach(), report)
        start += units.width


def _constant(units: Units, values: Tensor, report: CheckReport) -> None:
    known = values.double()
    same = known.nan_to_num(nan=-math.inf).amax(0) <= known.nan_to_num(nan=math.inf).amin(0)
    found = same.nonzero().flatten().tolist()
    if not found:
        return
    some = ", ".join(f"{units.name}[{unit}]" for unit in found[:_LISTED])
    more = ", ..." if len(found) > _LISTED else ""
    said = f"{len(found)} of {units.size} units have one value in all cases ({some}{more})."
    if units.kind == "gaussian":
        cure = "Leave them out: the likelihood has no maximum as their variance goes to 0."
        report.problems.append(Problem("warning", units.name, said, cure, "data"))
    else:
        report.remarks.append(f"Site {units.name!r}: {said}")


def _scale(units: Units, values: Tensor, variances: Tensor, report: CheckReport) -> None:
    known = ~values.isnan()
    count = known.sum(0).clamp(min=1)
    mean = values.nan_to_num().sum(0) / count
    spread = ((values - mean).nan_to_num() ** 2).sum(0) / count
    ratio = spread[spread > 0] / variances[spread > 0]
    if len(ratio) and (ratio.max() > _APART or ratio.min() < 1 / _APART):
        said = (
            f"The data have variances of {float(spread.min()):.3g} to {float(spread.max()):.3g}, "
            f"the units of {float(variances.min()):.3g} to {float(variances.max()):.3g}."
        )
        cure = "Standardise the data: (x - x.mean(0)) / x.std(0)."
        report.problems.append(Problem("warning", units.name, said, cure, "data"))


def _what_serves(machine: BoltzmannMachine) -> list[str]:
    bits = [
        sum(
            units.size * math.log2(units.states) if units.discrete else math.inf for units in layer
        )
        for layer in machine.layers
    ]
    # The even or the odd layers are summed over, the others given these in closed form.
    fewest = min(sum(bits[0::2]), sum(bits[1::2]))
    partition = (
        f"The exact log Z takes a sum over 2^{fewest:.0f} states."
        if fewest <= _COUNTABLE
        else f"log Z is estimated: its exact sum has 2^{fewest:.0f} terms."
    )
    layers = "both layers" if len(machine.layers) == 2 else "the odd and the even layers"
    return [f"Without a method, infer takes Gibbs: {layers} are drawn in blocks.", partition]
