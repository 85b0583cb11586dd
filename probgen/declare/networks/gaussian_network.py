"""Linear-Gaussian networks as arrays, frozen: what pgmpy's declaration is read into.

A linear-Gaussian network (Shachter and Kenley, 1989) is x_v = intercept + sum of coefficient *
parent + deviation * noise; its joint is Gaussian, so that it can be conditioned exactly.
"""

from __future__ import annotations

import graphlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from probgen.declare.network import distinct_labels
from probgen.errors import ModelError

__all__ = ["GaussianNetwork", "read_gaussian"]


@dataclass(frozen=True, eq=False)
class GaussianNetwork:
    """A Bayesian network whose nodes are normal, with means linear in their parents.

    Attributes
    ----------
    names: the nodes as the user named them, in order.
    parents: positions of each node's parents.
    intercepts, standard_deviations: float64 (n,); a deviation of 0 is a deterministic node.
    coefficients: of each node, float64, one per parent.
    title: what the network is called in messages and results.
    latents: positions of nodes that the declaration calls latent.

    Raises `ModelError` naming the node for a cycle, lengths that differ, NaN, infinity, or a
    negative standard deviation.

    Example:
        >>> pair = GaussianNetwork(("x", "y"), ((), (0,)), [1, 0], ([], [2]), [1, 1])
        >>> pair.joint()
        (array([1., 2.]), array([[1., 2.],
               [2., 5.]]))

    """

    names: tuple[Hashable, ...]
    parents: tuple[tuple[int, ...], ...]
    intercepts: np.ndarray
    coefficients: tuple[np.ndarray, ...]
    standard_deviations: np.ndarray
    title: str = "network"
    latents: frozenset[int] = field(default=frozenset())

    def __post_init__(self) -> None:
        """Make float64 arrays of the numbers and check them."""
        for name in ("intercepts", "standard_deviations"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        rows = tuple(np.array(row, dtype=np.float64).ravel() for row in self.coefficients)
        object.__setattr__(self, "coefficients", rows)
        counts = {len(self.names), len(self.parents), len(rows)}
        if counts | {self.intercepts.size, self.standard_deviations.size} != {len(self.names)}:
            raise ModelError(f"{self.title!r}: every node needs parents, numbers and a name.")
        for v in range(len(self.names)):
            self._check(v)
        _ = self.order

    def _check(self, v: int) -> None:
        name, deviation = self.names[v], self.standard_deviations[v]
        if len(self.coefficients[v]) != len(self.parents[v]):
            raise ModelError(
                f"The node {name!r} has {len(self.parents[v])} parents but "
                f"{len(self.coefficients[v])} coefficients."
            )
        numbers = np.array([self.intercepts[v], deviation, *self.coefficients[v]])
        if not np.isfinite(numbers).all():
            raise ModelError(f"The node {name!r} has a number that is NaN or infinite.")
        if deviation < 0:
            raise ModelError(f"The node {name!r} has the standard deviation {deviation:g} < 0.")

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Positions with parents before children."""
        try:
            return tuple(graphlib.TopologicalSorter(dict(enumerate(self.parents))).static_order())
        except graphlib.CycleError as error:
            cycle = " -> ".join(str(self.names[v]) for v in error.args[1])
            raise ModelError(
                f"The network {self.title!r} has a cycle: {cycle}. Remove an edge."
            ) from None

    @cached_property
    def position(self) -> dict[Hashable, int]:
        """Position of each name."""
        return {name: v for v, name in enumerate(self.names)}

    @cached_property
    def _responses(self) -> tuple[np.ndarray, np.ndarray]:
        from scipy.linalg import solve_triangular

        n, order = len(self.names), np.array(self.order, dtype=np.int64)
        weights = np.zeros((n, n))
        for v, parents in enumerate(self.parents):
            np.add.at(weights[v], list(parents), self.coefficients[v])
        lower = np.eye(n) - weights[np.ix_(order, order)]
        sources = np.column_stack(
            [self.intercepts[order], np.diag(self.standard_deviations[order])]
        )
        solved = solve_triangular(lower, sources, lower=True, unit_diagonal=True)
        back = np.argsort(order)
        return solved[back, 0], solved[np.ix_(back, 1 + back)]

    @property
    def mean(self) -> np.ndarray:
        """Mean of every node, (n,)."""
        return self._responses[0]

    @property
    def root(self) -> np.ndarray:
        """Response of every node to every node's standard normal noise, (n, n).

        The covariance is root @ root.T; deterministic nodes give it zero columns.
        """
        return self._responses[1]

    def joint(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of all nodes, in the order of `names`."""
        return self.mean.copy(), self.root @ self.root.T

    def labels(self) -> list[str]:
        """The names as distinct texts fit for a DataTree."""
        return distinct_labels(self.names)

    def __repr__(self) -> str:
        edges = sum(map(len, self.parents))
        return f"GaussianNetwork({self.title!r}: {len(self.names)} nodes, {edges} edges)"


def read_gaussian(model: Any) -> GaussianNetwork:
    """pgmpy's `LinearGaussianBayesianNetwork` as arrays.

    Raises `ModelError` naming the node for a missing CPD, parents or coefficients that do not
    fit the graph, a cycle, or numbers that are not finite.
    """
    names = tuple(model.nodes)
    position = {name: v for v, name in enumerate(names)}
    cpds = {cpd.variable: cpd for cpd in model.cpds}
    missing = [name for name in names if name not in cpds]
    if missing:
        raise ModelError(f"The node {missing[0]!r} has no CPD: add one with add_cpds.")
    parents, intercepts, coefficients, deviations = [], [], [], []
    for name in names:
        cpd = cpds[name]
        if set(cpd.evidence) != set(model.predecessors(name)):
            raise ModelError(
                f"The CPD of {name!r} has the parents {sorted(map(str, cpd.evidence))}; in the "
                f"graph they are {sorted(map(str, model.predecessors(name)))}."
            )
        beta = np.atleast_1d(np.asarray(cpd.beta, dtype=np.float64)).ravel()
        if len(beta) != 1 + len(cpd.evidence):
            raise ModelError(
                f"The CPD of {name!r} has {len(beta)} numbers in beta for {len(cpd.evidence)} "
                "parents; it needs the intercept and one per parent."
            )
        parents.append(tuple(position[parent] for parent in cpd.evidence))
        intercepts.append(beta[0])
        coefficients.append(beta[1:])
        deviations.append(float(cpd.std))
    return GaussianNetwork(
        names,
        tuple(parents),
        np.array(intercepts),
        tuple(coefficients),
        np.array(deviations),
        getattr(model, "name", "") or type(model).__name__,
        frozenset(position[name] for name in getattr(model, "latents", ()) if name in position),
    )
