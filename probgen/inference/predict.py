"""Running a program forward from posterior draws: predictive draws of its observed sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from probgen.declare.data import as_tensors, check_names
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.networks.recognise import is_network
from probgen.declare.placing import PlacePrior
from probgen.declare.program import Program
from probgen.declare.replay import simulate
from probgen.declare.sites import sample_sites, site_kind
from probgen.errors import OptionError
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["predict"]


def predict(
    tree: xr.DataTree,
    model: Callable[..., Any],
    data: Mapping[str, Any] | None = None,
    *,
    sites: Sequence[str] | None = None,
    group: str = "posterior_predictive",
    seed: int = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """Draws of the observed sites given every posterior draw of the latent ones.

    `data` holds the program's arguments, those of the fit for a posterior predictive check or
    new ones for predictions (then leave observed values out or pass None where the program
    takes that). `sites` names what to keep, deterministic sites too; all sampled sites when left
    out. Returns a copy of `tree` with one more group named `group`, of dims (chain, draw, ...).
    Raises `DataError` and `ModelError` as `infer` does, `OptionError` for an unknown site.
    """
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree:
        raise OptionError("predict(tree, model, data): the first argument is a tree from infer.")
    if is_network(model):
        raise OptionError(
            "predict runs Pyro programs forward; the draws of a network hold all its variables "
            "already. Leave a variable out of the evidence to have it predicted."
        )
    posterior = tree["posterior"].dataset
    tensors = as_tensors(data)
    check_names(model, tensors)
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    group_name = "unconstrained_posterior" if "unconstrained_posterior" in tree else "posterior"
    latent_names = set(tree[group_name].data_vars)
    latent = {
        str(name): array.transpose("chain", "draw", ...).values.reshape(
            chains * draws, *array.shape[2:]
        )
        for name, array in posterior.data_vars.items()
        if name in latent_names
    }
    program = Program(model, tensors)
    latent |= _discrete(program, posterior, set(posterior.data_vars) - set(latent))
    simulated = simulate(program, latent, seed)
    unknown = sorted(set(sites or ()) - set(simulated))
    if unknown:
        raise OptionError(
            f"sites: the program draws no {unknown[0]!r}; it draws {', '.join(simulated)}."
        )
    variables = {
        name: Variable(values.reshape(chains, draws, *values.shape[1:]), site.plates)
        for name, (site, values) in simulated.items()
        if (name in sites if sites is not None else site.kind != "deterministic")
    }
    labels = Labels(dims or {}, {**_coordinates(posterior, variables), **(coords or {})})
    made = build_tree({group: variables}, labels)
    result = tree.copy()
    result[group] = made[group]
    return result


def _discrete(program: Program, posterior: Any, names: set[Any]) -> dict[str, np.ndarray]:
    """Draws of discrete latent sites, in the type that the program gives them.

    A site that has another shape with these data is left out, and drawn anew.
    """
    candidates = {name for name in names if posterior[name].dtype.kind in "iub"}
    if not candidates:
        return {}
    with tracing(), double_precision(), isolated(0), torch.no_grad():
        trace = program.trace_with(PlacePrior())
    found = {}
    for name, message in sample_sites(trace):
        if name not in candidates or site_kind(message) == "deterministic":
            continue
        draws, value = posterior[name].transpose("chain", "draw", ...), message["value"]
        if draws.shape[2:] == tuple(value.shape):
            flat = draws.values.reshape(-1, *value.shape)
            found[name] = torch.from_numpy(flat).to(value.dtype).numpy()
    return found


def _coordinates(posterior: Any, variables: Mapping[str, Variable]) -> dict[str, Sequence[Any]]:
    """Labels of plates that still have the length they had in the fit."""
    sizes = {
        plate: variable.values.shape[2 + d]
        for variable in variables.values()
        for d, plate in enumerate(variable.plates)
        if plate
    }
    return {
        dim: list(posterior.coords[dim].values)
        for dim, size in sizes.items()
        if dim in posterior.coords and posterior.sizes[dim] == size
    }
