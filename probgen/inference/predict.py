"""Running a model forward from posterior draws: predictive draws of its observed sites."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from probgen.declare.data import as_tensors, check_names
from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.recognise import is_network
from probgen.declare.program import Program
from probgen.declare.replay import ForwardRun, run_forward
from probgen.errors import OptionError
from probgen.inference.arguments import seed_of
from probgen.inference.groups import data_groups
from probgen.inference.predictive import chosen_sites, forward_variables
from probgen.results.attributes import library_attributes
from probgen.results.labels import labels_from
from probgen.results.tree import Variable, build_tree

__all__ = ["predict"]

SAME, NEW = "posterior_predictive", "predictions"


def predict(
    tree: xr.DataTree,
    model: Callable[..., Any],
    data: Mapping[str, Any] | None = None,
    *,
    sites: Sequence[str] | None = None,
    group: str | None = None,
    seed: int | None = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """Draws of the observed sites given every posterior draw of the latent ones.

    Parameters
    ----------
    tree
        Draws of the model's latent sites in the group `posterior`, from `infer` or elsewhere.
    model, data
        The program and its arguments: those of the fit for a posterior predictive check, or new
        ones for predictions (then leave observed values out, or pass None where the program
        takes that). A latent site that has another shape with new data is drawn anew from its
        distribution given the others; a warning names it. Or a Bayesian network, whose evidence
        is drawn anew.
    sites
        What to keep, deterministic sites too; all sampled sites when left out.
    group
        Name of the group; when left out, "predictions" if `data` differ from those that the
        tree holds, else "posterior_predictive". The latter has the observations that count in
        the density; where a mask leaves some out, the others are drawn in other groups.
    seed
        The same seed gives the same draws; None takes one at random, which the group names.
    dims, coords
        Names of dimensions by site, and labels of dimensions; otherwise those of the tree.

    Returns
    -------
    A copy of `tree` with that group, of dims (chain, draw, ...), and, beside predictions, the
    group `predictions_constant_data`.

    Raises
    ------
    DataError, ModelError
        As `infer` does; a site that has no sampler.
    OptionError
        An unknown site; a tree without draws; a network without directions.
    TooLargeError
        The draws do not fit in memory.
    """
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree.children:
        raise OptionError("predict(tree, model, data): the first argument is a tree from infer.")
    posterior, seed = tree["posterior"].to_dataset(), seed_of(seed)
    if not {"chain", "draw"} <= set(posterior.dims):
        raise OptionError("predict: the posterior of the tree has no dimensions chain and draw.")
    if is_network(model) and not is_continuous(model):
        from probgen.inference.network_predictive import predict_network

        return predict_network(tree, model, data, sites, group or SAME, seed)
    if is_network(model):
        from probgen.declare.networks.continuous import continuous_program

        model, tensors = continuous_program(model, data)
    else:
        tensors = as_tensors(data)
        check_names(model, tensors)
    program = Program(model, tensors)
    run, given = _condition(program, posterior)
    program.sites, program.observed = run.sites, run.observed
    told = data_groups(program)
    group = group or (SAME if _same_data(tree, told) else NEW)
    names = chosen_sites(run.sites, given, sites)
    if not names:
        raise OptionError(
            f"predict: {program.name!r} has no observed site, and no other that is left to draw."
        )
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    variables = forward_variables(program, run.sites, names, given, shape, seed, group == SAME)
    made = {group: variables}
    if group == NEW:
        made["predictions_constant_data"] = told["constant_data"]
    result = tree.copy()
    for name, of_group in made.items():
        labels = labels_from(tree, of_group, dims, coords if name == group else None)
        for node in build_tree({name: of_group}, labels).children.values():
            result[name] = node.to_dataset().assign_attrs({**library_attributes(), "seed": seed})
    return result


def _condition(
    program: Program, posterior: xr.Dataset
) -> tuple[ForwardRun, dict[str, np.ndarray]]:
    """A forward run at the first draw, and the draws of the latent sites that fit the program.

    A site that has another shape with these data is left out, with a warning.
    """
    rows = {str(name): posterior[name].transpose("chain", "draw", ...) for name in posterior}
    if not all(posterior.sizes[dim] for dim in ("chain", "draw")):
        raise OptionError("predict: there are no draws to predict from, the posterior is empty.")
    continuous = {n: v[0, 0].values for n, v in rows.items() if v.dtype.kind == "f"}
    run = run_forward(program, continuous)
    given = {}
    for name, site in run.sites.items():
        if name not in rows or site.kind != "latent":
            continue
        array = rows[name]
        if array.shape[2:] == site.shape:
            flat = array.values.reshape(-1, *site.shape)
            # Discrete sites in the type that the program gives them.
            given[name] = torch.from_numpy(flat).to(run.values[name].dtype).numpy()
        else:
            warnings.warn(
                f"Site {name!r} has shape {array.shape[2:]} in the posterior and {site.shape} "
                "with these data: it is drawn anew from its distribution given the other sites.",
                stacklevel=3,
            )
    if not given and any(site.kind == "latent" for site in run.sites.values()):
        raise OptionError(
            f"The posterior holds {', '.join(rows)}, none of which is a latent site of "
            f"{program.name!r} with these data: give the model that the draws come from."
        )
    return run, given


def _same_data(tree: xr.DataTree, told: Mapping[str, Mapping[str, Variable]]) -> bool:
    """Whether nothing in the data differs from what the tree holds of the fit's."""
    if not told.keys() & tree.children.keys():
        return True
    arrays = {name: v.values for variables in told.values() for name, v in variables.items()}
    return all(_holds(tree, name, values) for name, values in arrays.items())


def _holds(tree: xr.DataTree, name: str, values: np.ndarray) -> bool:
    for group in ("observed_data", "constant_data"):
        if group in tree.children and name in tree[group].data_vars:
            known = tree[group].to_dataset()[name].values
            return known.shape == values.shape and bool(
                np.array_equal(known, values)
                or np.allclose(known, values, rtol=1e-12, atol=0, equal_nan=True)
            )
    return False
