"""Finding the discrete structure of a program: its variables, and which site depends on which.

The program runs once at single values of its discrete sites while their traces through its
operations are followed. Sites that never meet may then use the same dimension for their
states, as `pyro.markov` arranges by hand: a chain of any length needs two. The program runs
again with all states at once, and every entry of its tables that the first run and another
one chose must be what those runs gave, or the program cannot be enumerated so.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from probgen.declare.checks.failure import failure
from probgen.declare.discrete.assign import Assigned, Followed
from probgen.declare.discrete.factors import Factor, is_masked
from probgen.declare.discrete.stacking import broadcast_stacks
from probgen.declare.discrete.tables import entries_at
from probgen.declare.discrete.variables import Variable
from probgen.declare.enumeration import Enumeration
from probgen.declare.placing import PlaceUnconstrained, fill_masked, sites_change
from probgen.declare.sites import Site, sample_sites, site_kind
from probgen.errors import ModelError, ProbgenError, TooLargeError

__all__ = ["read_enumeration"]

_MOST_DIMS = 25  # of a tensor that is indexed by tensors
_MOST_OWNED = 8
_TOLERANCE = 1e-9

Run = Callable[[PlaceUnconstrained], Any]


def read_enumeration(
    model: Callable[..., Any], run: Run, continuous: Sequence[Site]
) -> Enumeration:
    """The discrete structure of the program `model`.

    `run(handler)` runs it with its data under a handler and returns its trace; `continuous`
    are its continuous latent sites. Call it inside the program's environment. Raises
    `ModelError` when a discrete site cannot be summed out, naming it with the cure.
    """
    generator = torch.Generator().manual_seed(20)
    point = {
        site.name: torch.rand(site.unconstrained_shape, generator=generator) - 0.5
        for site in continuous
    }
    with torch.no_grad(), _failing(model):
        plain = Assigned(point, generator)
        trace = _run(run, plain)
        followed = Followed(point, generator, plain, _rank(trace))
        with followed.lineage:
            again = _run(run, followed)
            enumeration = _structure(followed, trace, again)
        enumeration.components  # noqa: B018 - raises what makes the sum impossible
        with broadcast_stacks():
            everything = _run(run, PlaceUnconstrained(point, enumeration.all_states))
        _compare(enumeration, everything, plain.chosen, trace)
        _compare(enumeration, everything, followed.chosen, again)
    return enumeration


def _rank(trace: Any) -> int:
    """The number of batch dimensions that the program uses."""
    ranks = [0]
    for _, message in sample_sites(trace):
        ranks.append(message["log_prob"].dim())
        ranks += [-frame.dim for frame in message["cond_indep_stack"] if frame.dim is not None]
    return max(ranks)


def _run(run: Run, handler: PlaceUnconstrained) -> Any:
    trace = run(handler)
    fill_masked(trace)
    trace.compute_log_prob()
    return trace


@contextlib.contextmanager
def _failing(model: Callable[..., Any]) -> Iterator[None]:
    """What the program raises, as a `ModelError` with the place and the cure."""
    try:
        yield
    except ProbgenError:
        raise
    except Exception as raised:
        raise ModelError(
            f"{failure(model, raised).message} (while its discrete latent sites were given all "
            "their values at once, to sum them out: index with them by "
            "pyro.ops.indexing.Vindex(table)[i, z] or table[z], count dimensions from the right, "
            "and compute what stacks their values afterwards, from the draws)"
        ) from raised


def _structure(followed: Followed, plain: Any, again: Any) -> Enumeration:
    """Variables with their dimensions, and factors, from the run that was followed."""
    variables = list(followed.plain.variables.values())
    position = {variable.name: v for v, variable in enumerate(variables)}
    factors, deterministic, origin = [], set(), followed.lineage.of
    for name, message in sample_sites(again):
        kind = site_kind(message)
        if kind == "deterministic":
            if origin(message["value"]):
                deterministic.add(name)
            continue
        scope = tuple(sorted(position[source] for source in origin(message["log_prob"])))
        if scope and name in plain.nodes:
            kind = "enumerated" if name in position else kind
            batch = tuple(plain.nodes[name]["log_prob"].shape)
            factors.append(Factor(name, kind, scope, batch, is_masked(message)))
    _check_plates(factors, variables)
    dims, rank = _dims(factors, list(position)), followed.rank
    if rank + max(dims) + 1 > _MOST_DIMS:
        raise TooLargeError(_too_many(factors, list(position)))
    placed = tuple(
        replace(variable, dim=-1 - rank - dim)
        for variable, dim in zip(variables, dims, strict=True)
    )
    sites = frozenset(name for name, _ in sample_sites(again))
    return Enumeration(placed, tuple(factors), frozenset(deterministic), sites, rank)


def _check_plates(factors: Sequence[Factor], variables: Sequence[Variable]) -> None:
    """Every site must live in the plates of the variables it depends on."""
    for factor in factors:
        for v in factor.scope:
            if not variables[v].plates <= factor.plates:
                raise ModelError(_mixes_elements(factor, variables[v]))


def _dims(factors: Sequence[Factor], names: Sequence[str]) -> list[int]:
    """A dimension (0, 1, ...) for every variable, different where two of them meet.

    Variables of one series (x_0, x_1 ...) take turns in dimensions of their own, as long as
    there are enough, so that every step of a chain is computed in the same way.
    """
    neighbours: list[set[int]] = [set() for _ in names]
    for factor in factors:
        for v in factor.scope:
            neighbours[v].update(factor.scope)
    dims: list[int] = []
    owners: dict[int, str] = {}
    for v, name in enumerate(names):
        series = re.sub(r"\d+", "", name)
        taken = {dims[w] for w in neighbours[v] if w < v}
        free = [d for d in range(len(taken) + _MOST_OWNED) if d not in taken]
        own = [d for d in free if owners.get(d, series) == series]
        dims.append((own or free)[0])
        owners.setdefault(dims[-1], series)
    return dims


def _compare(
    enumeration: Enumeration, everything: Any, chosen: Mapping[str, torch.Tensor], trace: Any
) -> None:
    """Raise `ModelError` unless the tables hold what single values of the variables gave."""
    rank = enumeration.rank
    for factor in enumeration.factors:
        if factor.name not in everything.nodes or factor.name not in trace.nodes:
            raise ModelError(sites_change(factor.name, "is missing in a run of the program"))
        indices = {}
        for v in factor.scope:
            index = chosen[enumeration.variables[v].name]
            indices[v] = index.reshape((1,) * (rank - index.dim()) + tuple(index.shape))
        table = enumeration.table(factor, everything.nodes[factor.name]["log_prob"])
        found = entries_at(table, factor.scope, indices, rank)
        expected = trace.nodes[factor.name]["log_prob"]
        if found.numel() != expected.numel() or not torch.allclose(
            found.flatten(), expected.flatten(), rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
        ):
            raise ModelError(enumeration.unlike(factor))


def _mixes_elements(factor: Factor, variable: Variable) -> str:
    return (
        f"Site {factor.name!r} (batch shape {factor.batch}) depends on several elements of the "
        f"discrete latent site {variable.name!r} (batch shape {variable.batch}) at once, so "
        "that these cannot be summed out one by one. Declare it in the same plates, or replace "
        "the plate by a loop, for i in pyro.plate(...), with one site for every element."
    )


def _too_many(factors: Sequence[Factor], names: Sequence[str]) -> str:
    widest = max(factors, key=lambda factor: len(factor.scope))
    shown = ", ".join(repr(names[v]) for v in widest.scope[:4])
    return (
        f"Site {widest.name!r} depends on {len(widest.scope)} discrete latent sites ({shown} "
        "...), too many to try all their values together. In a chain, let each step depend on "
        "the discrete site before it only (as in pyro.markov), not on what all of them add up "
        "to."
    )
