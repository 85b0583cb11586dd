"""Fitting a network to data: the contract of learners, and what they hand back.

A learner is a value: a frozen dataclass with its settings, a `name`, `learns` and
`learn(problem)`. Learners that need expectations under a network are given a *marginal oracle*,
a function that computes them (exactly by elimination, approximately by belief propagation), so
that learning does not depend on the inference engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr

from probgen.declare.network import Network
from probgen.errors import DataError, OptionError
from probgen.learn.columns import read_table
from probgen.learn.networks.read_skeleton import read_skeleton
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.table import Table
from probgen.results.attributes import run_attributes
from probgen.results.tree import storable
from probgen.targets.factors import Factors

__all__ = ["Fit", "Learned", "Learner", "Oracle", "Problem", "fit_network"]

Oracle = Callable[[Factors], tuple[float, list[np.ndarray]]]
"""Log partition function (nats, the constant of the factors included) and the posterior over the
scope of each factor."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What a learner is asked: data, structure if there is one, and the means."""

    table: Table
    skeleton: Skeleton | None
    oracle: Oracle | None
    seed: int
    progress: Callable[[int, int, str], None] | None = None
    """Called from the main thread with (done, total, what is going on)."""

    def report(self, done: int, total: int, detail: str) -> None:
        """Say how far the work is."""
        if self.progress is not None:
            self.progress(done, total, detail)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a learner hands back: the network, groups of the DataTree, a JSON-able summary.

    `summary` holds `log_likelihood` (nats, of all rows) where known, `converged` from iterative
    learners, `seconds` and `notes` (sentences for the user).
    """

    network: Network
    groups: dict[str, xr.Dataset] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


class Learner(Protocol):
    """An algorithm that learns networks, with its settings."""

    name: ClassVar[str]
    learns: ClassVar[str]
    """"parameters" or "structure"."""
    wants: ClassVar[str]
    """"directed", "undirected" or "any" structure."""
    needs_oracle: ClassVar[bool]

    def learn(self, problem: Problem) -> Learned:
        """Learn."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A network learned from data.

    Attributes
    ----------
    network: the learned network.
    tree: histories (log likelihood in nats per iteration) or posterior draws, as a DataTree.
    summary: what is worth knowing in numbers; `notes` are sentences.

    """

    network: Network
    tree: xr.DataTree
    summary: dict[str, Any]

    def to_pgmpy(self) -> Any:
        """The learned network as a model of pgmpy."""
        from probgen.declare.networks.to_pgmpy import to_pgmpy

        return to_pgmpy(self.network)

    def save(self, path: str | Path) -> None:
        """Write the learned network to a file; the ending (.bif, .uai) chooses the format."""
        from probgen.declare.networks.files import write_network_file

        write_network_file(self.network, path)

    def __repr__(self) -> str:
        told = [f"{self.summary['method']}: {self.network!r}"]
        if "log_likelihood" in self.summary:
            told.append(f"log likelihood {self.summary['log_likelihood']:.6g} nats")
        if self.summary.get("converged") is False:
            told.append("NOT converged")
        return f"Fit({', '.join(told)})"


def fit_network(
    model: Any,
    method: Learner,
    data: Any,
    *,
    oracle: Oracle | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Fit:
    """Learn the parameters or the structure of a discrete network from data.

    `model` is a structure (see `read_skeleton`); learners of structures take None (all columns
    of the data), a list of variables, or a structure whose variables and states are meant.
    `data` is a table (see `read_table`). `oracle` computes marginals, for EM and the likelihood
    of Markov networks.

    Raises `DataError`, `ModelError`, `OptionError`, `TooLargeError`.
    """
    if not hasattr(method, "learn"):
        raise OptionError(f"{method!r} does not learn networks: use MaximumLikelihood(), EM() ...")
    if method.needs_oracle and oracle is None:
        raise OptionError(f"{method.name} needs a marginal oracle.")
    if method.learns == "structure":
        problem = _structure_problem(model, data, oracle, seed, progress)
    else:
        problem = _parameter_problem(model, method, data, oracle, seed, progress)
    learned = method.learn(problem)
    notes = [*problem.table.notes, *learned.summary.get("notes", [])]
    summary = {"method": method.name, "rows": int(problem.table.size), **learned.summary}
    summary = {key: v.item() if isinstance(v, np.generic) else v for key, v in summary.items()}
    summary["notes"] = notes
    attrs = run_attributes(learned.network.title, method, seed, ("pgmpy", "numpy", "xarray"))
    return Fit(learned.network, _tree(learned.groups, {**attrs, **summary}), summary)


def _structure_problem(
    model: Any, data: Any, oracle: Oracle | None, seed: int, progress: Any
) -> Problem:
    if model is None:
        return Problem(read_table(data), None, oracle, seed, progress)
    if isinstance(model, (list, tuple)) and not any(isinstance(n, (list, tuple)) for n in model):
        return Problem(read_table(data, model), None, oracle, seed, progress)
    skeleton = read_skeleton(model)
    table = read_table(data, skeleton.names, skeleton.known_states)
    return Problem(table, skeleton, oracle, seed, progress)


def _parameter_problem(
    model: Any, method: Learner, data: Any, oracle: Oracle | None, seed: int, progress: Any
) -> Problem:
    skeleton = read_skeleton(model)
    kind = "directed" if skeleton.directed else "undirected"
    if method.wants not in (kind, "any"):
        cure = (
            "MaximumLikelihood(), BayesianEstimate() or EM()"
            if kind == "directed"
            else "GradientMLE() or PseudoLikelihood()"
        )
        called = "a Bayesian network" if kind == "directed" else "a Markov network"
        raise OptionError(f"{method.name} does not learn {called}: use {cure}.")
    latent_states = getattr(method, "latent_states", None) or {}
    extra = {
        name: tuple(range(states)) if isinstance(states, int) else tuple(states)
        for name, states in latent_states.items()
    }
    skeleton = skeleton.with_states(extra)
    latents = {*(skeleton.names[v] for v in skeleton.latents), *extra}
    table = read_table(data, skeleton.names, skeleton.known_states, latents)
    if (table.codes >= 0).sum() == 0:
        raise DataError("The data are empty: every value is missing.")
    skeleton = skeleton.with_states(dict(zip(table.names, table.states, strict=True)))
    skeleton.check_sizes(table.cards)
    return Problem(table, skeleton, oracle, seed, progress)


def _tree(groups: dict[str, xr.Dataset], attrs: dict[str, Any]) -> xr.DataTree:
    plain = {key: storable(value) for key, value in attrs.items()}
    tree = xr.DataTree()
    tree.attrs.update(plain)
    for name, dataset in groups.items():
        if name == "posterior":
            dataset.attrs.update(plain)
    tree.children = {name: xr.DataTree(dataset) for name, dataset in groups.items()}
    return tree
