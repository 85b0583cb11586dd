"""The log-likelihood of the data under a model, where there is one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from probgen.errors import ProbgenError
from probgen.inference.log_likelihood import log_likelihood
from probgen.nets.boltzmann.layers import Layered
from probgen.studies.generative.entries import IMPLICIT, Entry

__all__ = ["Likelihood", "likelihood_of"]

NONE = "none: implicit"


@dataclass(frozen=True)
class Likelihood:
    """Mean over cases, nats; its Monte Carlo error; what it is, or why there is none."""

    mean: float = math.nan
    error: float = math.nan
    kind: str = ""
    reason: str = ""


def likelihood_of(entry: Entry, numbers: torch.Tensor, seed: int) -> Likelihood:
    """Of the cases of these numbers: exact, a bound by weighted draws, or annealed.

    Boltzmann machines: an exact sum where that is possible, else annealed importance sampling.
    """
    if entry.family == IMPLICIT:
        return Likelihood(kind=NONE, reason="The model has no density.")
    if entry.transform is not None and not entry.own:
        reason = (
            "The data are of the common space, and the model's draws of another: give each model "
            "its own, data={label: rows}."
        )
        return Likelihood(kind="none: another space", reason=reason)
    rows: Any = {name: value[numbers] for name, value in entry.rows.items()}
    if isinstance(entry.module, Layered):
        visible = [units.name for units in entry.module.layers[0]]
        rows = {name: value for name, value in rows.items() if name in visible}
    try:
        found = log_likelihood(entry.module, rows, seed=seed)
    except (ProbgenError, RuntimeError, ValueError, TypeError) as error:
        return Likelihood(kind="none", reason=f"{error}")
    kind = str(found.bound)
    method = str(getattr(found, "method", "")) or str(found.log_z.method)
    doubt = "" if getattr(found, "reliable", True) else "; not reliable"
    named = "by noise between levels" if method == "Exact" else method
    told = kind if kind == "exact" else f"{kind} ({named}{doubt})"
    return Likelihood(float(found.mean), float(found.error), told)
