"""Draws from the prior of a model, before any inference: what it holds to be plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from probgen.declare.networks.kinds import is_continuous
from probgen.declare.networks.recognise import is_network
from probgen.declare.program import Program, read_program
from probgen.declare.replay import run_forward
from probgen.inference.arguments import check_counts, seed_of
from probgen.inference.groups import data_groups
from probgen.inference.model_source import program_text
from probgen.inference.predictive import forward_variables
from probgen.results.attributes import library_attributes, model_attributes
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["prior", "prior_groups"]


def prior(
    model: Any,
    data: Mapping[Any, Any] | None = None,
    *,
    draws: int = 1000,
    chains: int = 1,
    seed: int | None = 0,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.DataTree:
    """Independent draws from the prior, and what would be observed under each of them.

    Parameters
    ----------
    model
        A Pyro program or a network, as `infer` takes them.
    data
        The arguments of the program or the evidence of the network, as for `infer`. Observed
        values say which sites are observed, and do not enter the draws; a site without them is
        one more site of the prior.
    draws, chains
        Draws per chain, and chains: all of them are independent.
    seed
        The same seed gives the same draws; None takes one at random, which the attributes name.
    dims, coords
        Programs: names of dimensions that have no plate, by site; labels of dimensions.

    Returns
    -------
    DataTree with the groups `prior` (latent and deterministic sites; the free variables of a
    network), `prior_predictive` (observed sites, drawn), `observed_data` and `constant_data`.

    Raises
    ------
    ModelError, DataError
        The model or its data cannot be used, or a site has no sampler (an improper prior).
    TooLargeError
        The draws do not fit in memory.
    OptionError
        A number that is none.
    """
    check_counts({"draws": draws, "chains": chains})
    seed = seed_of(seed)
    if is_network(model) and not is_continuous(model):
        from probgen.inference.network_predictive import network_prior

        return network_prior(model, data, (chains, draws), seed)
    if is_network(model):
        from probgen.declare.networks.continuous import continuous_program

        model, data = continuous_program(model, data)
    program = read_program(model, data, scored=False)
    groups = {**prior_groups(program, (chains, draws), seed), **data_groups(program)}
    told = model_attributes(program.name, program_text(program.model))
    attrs = {**library_attributes(), **told, "sampling": "prior", "seed": seed}
    return build_tree(groups, Labels(dims or {}, coords or {}), attrs)


def prior_groups(
    program: Program, shape: tuple[int, int], seed: int
) -> dict[str, dict[str, Variable]]:
    """`prior` and `prior_predictive` of a program that has been read: (chain, draw, ...)."""
    sites = run_forward(program, seed=seed).sites
    drawn = forward_variables(program, sites, list(sites), {}, shape, seed)
    groups: dict[str, dict[str, Variable]] = {"prior": {}, "prior_predictive": {}}
    for name, variable in drawn.items():
        observed = sites[name].kind == "observed"
        groups["prior_predictive" if observed else "prior"][name] = variable
    return groups
