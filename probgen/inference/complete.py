"""One call that adds to a tree of draws the groups that ArviZ's checks ask for."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import xarray as xr

from probgen.declare.logdensity import LogDensity
from probgen.declare.networks.recognise import is_network
from probgen.declare.program import Program, read_program
from probgen.errors import ModelError, OptionError
from probgen.inference.arguments import check_counts, seed_of
from probgen.inference.derived import derive
from probgen.inference.groups import data_groups
from probgen.inference.predict import predict
from probgen.inference.predictive import bytes_of
from probgen.inference.prior import prior_groups
from probgen.inference.room import LARGEST_UNASKED
from probgen.results.labels import labels_from
from probgen.results.tree import Variable, build_tree, storable

__all__ = ["GROUPS", "complete"]

_DERIVED = ("log_likelihood", "log_prior", "unconstrained_posterior")
_PRIOR = ("prior", "prior_predictive")
_DATA = ("observed_data", "constant_data")
_PREDICTIVE = ("posterior_predictive",)
_OF_OBSERVED = ("log_likelihood", "prior_predictive", *_PREDICTIVE, "observed_data")
GROUPS = (*_DERIVED, *_PRIOR, *_PREDICTIVE, *_DATA)
"""The groups that `complete` can add."""

_Groups = Mapping[str, Mapping[str, Variable]]


def complete(
    tree: xr.DataTree,
    model: Callable[..., Any],
    data: Mapping[str, Any] | None = None,
    groups: Collection[str] | None = None,
    *,
    draws: int = 1000,
    seed: int | None = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """A copy of `tree` with the groups that it lacks: prior, predictive, log likelihood, data.

    Parameters
    ----------
    tree
        Posterior draws of a Pyro program, from `infer`, `from_pyro` or any other tool: only the
        group `posterior` is needed, with the continuous latent sites of the program.
    model, data
        The program and the data that the draws come from.
    groups
        Which to make, anew where the tree has them already: of `log_likelihood`, `log_prior`,
        `unconstrained_posterior`, `prior`, `prior_predictive`, `posterior_predictive`,
        `observed_data`, `constant_data`. When left out, all that the tree lacks; what is larger
        than 1 GB, or what the program does not allow, is then left out with a note among the
        attributes.
    draws
        Draws of the prior.
    seed
        The same seed gives the same draws.
    dims, coords
        Names of dimensions by site, and labels of dimensions; otherwise those of the tree.

    Raises
    ------
    OptionError
        An unknown group, a tree without draws, or draws that lack a site; a network.
    ModelError, DataError, TooLargeError
        As `predict` and `prior`, for groups that were named.
    """
    check_counts({"draws": draws})
    seed = seed_of(seed)
    if not isinstance(tree, xr.DataTree) or "posterior" not in tree.children:
        raise OptionError("complete(tree, model, data): the first argument is a tree of draws.")
    if is_network(model):
        raise OptionError("complete is for Pyro programs; use prior and predict with a network.")
    if isinstance(model, LogDensity):
        raise OptionError("complete: a log density has no sites that could be drawn or observed.")
    unknown = sorted(set(groups or ()) - set(GROUPS))
    if unknown:
        raise OptionError(f"groups: {unknown[0]!r} is none of {', '.join(GROUPS)}.")
    wanted = [g for g in GROUPS if (g in groups if groups is not None else g not in tree.children)]
    program = read_program(model, data)
    made = tree.copy()
    notes: list[str] = []
    if groups is None:
        if not program.observed:
            wanted = [group for group in wanted if group not in _OF_OBSERVED]
        wanted, notes = _affordable(wanted, program, tree, draws)
    makers: list[tuple[Collection[str], Callable[[Collection[str]], _Groups]]] = [
        (_DATA, lambda _: data_groups(program)),
        (_DERIVED, lambda chosen: _derived(tree, program, chosen, seed)),
        (_PRIOR, lambda _: prior_groups(program, (1, draws), seed)),
        (_PREDICTIVE, lambda _: _predicted(tree, model, data, seed)),
    ]
    for members, make in makers:
        chosen = [group for group in wanted if group in members]
        try:
            found = make(chosen) if chosen else {}
        except (ModelError, OptionError) as raised:
            if groups is not None:
                raise
            notes.append(f"{' and '.join(chosen)} left out: {raised}")
            continue
        for group in chosen:
            variables = found.get(group) or {}
            labels = labels_from(made, variables, dims, coords)
            for node in build_tree({group: variables}, labels).children.values():
                made[group] = node.to_dataset()
    if notes:
        made.attrs["notes"] = storable([*_notes(tree), *notes])
    return made


def _derived(tree: xr.DataTree, program: Program, groups: Collection[str], seed: int) -> _Groups:
    posterior = tree["posterior"].to_dataset()
    draws = {
        name: posterior[name].transpose("chain", "draw", ...).values
        for name, site in program.sites.items()
        if site.kind == "latent" and name in posterior
    }
    return derive(program, draws, "log_likelihood" in groups, seed).groups


def _predicted(
    tree: xr.DataTree, model: Callable[..., Any], data: Mapping[str, Any] | None, seed: int
) -> _Groups:
    group = _PREDICTIVE[0]
    dataset = predict(tree, model, data, group=group, seed=seed)[group].to_dataset()
    plates = {n: tuple(str(d) for d in v.dims[2:]) for n, v in dataset.data_vars.items()}
    return {group: {str(n): Variable(v.values, plates[n]) for n, v in dataset.data_vars.items()}}


def _affordable(
    groups: Collection[str], program: Program, tree: xr.DataTree, draws: int
) -> tuple[list[str], list[str]]:
    """The groups that are not too large to be made unasked, and notes on the others."""
    sizes = tree["posterior"].sizes
    count = sizes.get("chain", 1) * sizes.get("draw", 1)
    observed = [site.name for site in program.of_kind("observed")]
    large = {
        "log_likelihood": bytes_of(program.sites, observed, count),
        "posterior_predictive": bytes_of(program.sites, observed, count),
        "prior": bytes_of(program.sites, program.sites, draws),
        "prior_predictive": bytes_of(program.sites, observed, draws),
    }
    kept = [group for group in groups if large.get(group, 0) <= LARGEST_UNASKED]
    return kept, [
        f"{group} would take {large[group] / 1e9:.1f} GB and was left out. Ask for it with "
        f"complete(..., groups=[{group!r}])."
        for group in groups
        if group not in kept
    ]


def _notes(tree: xr.DataTree) -> list[str]:
    """The notes that a tree has, whatever form they were stored in."""
    told = tree.attrs.get("notes", [])
    try:
        told = json.loads(told) if isinstance(told, str) else told
    except ValueError:
        return [str(told)]
    return [str(note) for note in told] if isinstance(told, list) else [str(told)]
