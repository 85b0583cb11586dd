"""How error falls as cost grows: prefixes of one run, its warm-up charged to each.

The first so many draws of every chain are what a shorter run with the same warm-up would have
made, so one run shows the whole curve, and the first budget from which on the diagnosis is
content. Budgets are powers of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose import diagnose
from probgen.diagnose.network_record import has_marginals
from probgen.errors import ProbgenError
from probgen.studies.compare.costs import Costs
from probgen.studies.compare.estimates import is_independent, read_scalars
from probgen.studies.reference import Reference

__all__ = ["Curve", "curve_of", "first_trusted"]

_FIRST_BUDGET = 16
_CURVE_SCALARS = 1000


@dataclass(frozen=True)
class Curve:
    """Per budget (draws per chain): cost so far, and errors of the means; arrays (budget,).

    `worst` and `average` are absolute errors over scalars in reference sds, of networks total
    variation distances over variables.
    """

    draws: np.ndarray
    seconds: np.ndarray
    gradients: np.ndarray
    worst: np.ndarray
    average: np.ndarray


def budgets(draws: int) -> list[int]:
    """Powers of two up to the number of draws, and that number."""
    if draws <= 0:
        return []
    below = [_FIRST_BUDGET * 2**k for k in range(32) if _FIRST_BUDGET * 2**k < draws]
    return [*below, draws]


def curve_of(tree: xr.DataTree, costs: Costs, reference: Reference) -> Curve | None:
    """Errors of prefixes; None when there are no draws or no scalar in common."""
    if has_marginals(tree) != reference.is_of_states:
        return None
    if reference.is_of_states:
        prefixes = _state_errors(tree, reference)
    else:
        prefixes = _mean_errors(tree, reference)
    if prefixes is None:
        return None
    steps, errors = prefixes
    total = steps[-1]
    charged = [costs.after(step / total) for step in steps]
    size = np.abs(errors)
    return Curve(
        draws=np.array(steps),
        seconds=np.array([seconds for seconds, _ in charged]),
        gradients=np.array([gradients for _, gradients in charged]),
        worst=size.max(axis=1),
        average=size.mean(axis=1),
    )


def first_trusted(tree: xr.DataTree, costs: Costs) -> tuple[float, float]:
    """Draws per chain and seconds (warm-up charged) of the first trustworthy answer.

    The smallest budget whose draws are diagnosed as trustworthy, as those of all larger ones
    are; (inf, inf) when the whole run is not. Approximations, and networks, whose marginals are
    streamed over all draws, have one budget: the whole run.
    """
    draws = _draws_of(tree)
    if not draws or has_marginals(tree) or is_independent(tree):
        return (float(draws), costs.seconds) if _trusted(tree) else (math.inf, math.inf)
    found = math.inf, math.inf
    for budget in reversed(budgets(draws)):
        if not _trusted(_prefix(tree, budget)):
            break
        found = float(budget), costs.after(budget / draws)[0]
    return found


def _trusted(tree: xr.DataTree) -> bool:
    try:
        return diagnose(tree).trustworthy
    except ProbgenError:
        return False


def _draws_of(tree: xr.DataTree) -> int:
    if "posterior" not in tree.children:
        return 0
    return int(tree["posterior"].sizes.get("draw", 0))


def _prefix(tree: xr.DataTree, budget: int) -> xr.DataTree:
    """The result of the first draws: posterior and statistics of the sampler."""
    groups: dict[str, Any] = {}
    for name in ("posterior", "sample_stats"):
        if name in tree.children:
            dataset = tree[name].to_dataset()
            groups[name] = (
                dataset.isel(draw=slice(0, budget)) if "draw" in dataset.dims else dataset
            )
    prefix = xr.DataTree.from_dict(groups)
    prefix.attrs.update(tree.attrs)
    return prefix


def _mean_errors(tree: xr.DataTree, reference: Reference) -> tuple[list[int], np.ndarray] | None:
    scalars = read_scalars(tree, _CURVE_SCALARS)
    names = scalars.places if reference.by_position else scalars.names
    where = {name: row for row, name in enumerate(reference.names)}
    pairs = [(row, where[name]) for row, name in enumerate(names) if name in where]
    if not pairs or not scalars.values.shape[2]:
        return None
    ours, theirs = np.array(pairs).T
    mean, sd = reference.values[theirs, 0], reference.values[theirs, 1]
    running = scalars.values[ours].mean(axis=1).cumsum(axis=1)
    steps = budgets(scalars.values.shape[2])
    errors = np.array([(running[:, s - 1] / s - mean) / sd for s in steps])
    known = np.isfinite(errors).all(axis=0)
    return (steps, errors[:, known]) if known.any() else None


def _state_errors(tree: xr.DataTree, reference: Reference) -> tuple[list[int], np.ndarray] | None:
    """Total variation distance of every variable's marginal, (budget, variable).

    Engines whose marginals are no averages of draws have one budget: all they did.
    """
    marginals = tree["marginals"].to_dataset()
    variables = marginals["variable"].values
    known = dict(zip(reference.names, reference.values[:, 0], strict=True))
    steps = budgets(_draws_of(tree)) if "mcse" in marginals else [max(_draws_of(tree), 1)]
    columns = []
    for variable in dict.fromkeys(variables.tolist()):
        own = variables == variable
        states = marginals["state"].values[own]
        truth = np.array([known.get(f"{variable}={state}", np.nan) for state in states])
        if "mcse" not in marginals:
            estimates = marginals["probability"].values[own][None]
        else:
            codes = _codes(tree, variable)
            if codes is None:
                return None
            seen = (codes[..., None] == np.arange(len(states))).mean(axis=0).cumsum(axis=0)
            estimates = np.array([seen[s - 1] / s for s in steps])
        columns.append(np.abs(estimates - truth).sum(axis=1) / 2)
    errors = np.array(columns).T
    finite = np.isfinite(errors).all(axis=0) if errors.size else np.zeros(0, bool)
    return (steps, errors[:, finite]) if finite.any() else None


def _codes(tree: xr.DataTree, variable: str) -> np.ndarray | None:
    """Drawn state numbers of a variable, (chain, draw); None where they were not kept."""
    if not _draws_of(tree):
        return None
    posterior = tree["posterior"].to_dataset()
    if variable in posterior:
        return posterior[variable].transpose("chain", "draw").values
    if "state" in posterior and "variable" in posterior.coords:
        return posterior["state"].sel(variable=variable).transpose("chain", "draw").values
    return None
